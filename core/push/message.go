package push

import "encoding/json"

const (
	// maxPayload keeps a message below the 8,000 bytes that NOTIFY takes.
	maxPayload = 7500
	// maxKeys bounds what waits to be told of a topic; beyond it, the message is that everything has changed.
	maxKeys = 10_000
)

// message is what goes over a channel: keys of a topic, a heartbeat, or a farewell, which is neither.
type message struct {
	From  string   `json:"from"`            // the Bus that sent it
	Beat  int64    `json:"beat,omitempty"`  // when that Bus sent the heartbeat, by its own reckoning
	Topic string   `json:"topic,omitempty"` // what has changed
	Keys  []string `json:"keys,omitempty"`  // which; none means all
	// Signals are topics without keys that share a message with another topic.
	Signals []string `json:"signals,omitempty"`
}

func (m message) encode() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic("push: " + err.Error()) // strings and a number
	}
	return string(text)
}

// messages spells keys in as few messages as they fit into, each with the signals. A key too long for one makes it a message
// about all.
func messages(from, topic string, keys, signals []string) []string {
	var (
		all    []string
		room   = maxPayload - len(message{From: from, Topic: topic, Keys: []string{""}, Signals: signals}.encode())
		begin  int
		filled int
	)
	for i, key := range keys {
		size := len(message{From: key}.encode()) // quotes, escapes and more
		if size > room {
			return []string{message{From: from, Topic: topic, Signals: signals}.encode()}
		}
		if filled+size > room {
			all = append(all, message{From: from, Topic: topic, Keys: keys[begin:i], Signals: signals}.encode())
			begin, filled = i, 0
		}
		filled += size
	}
	return append(all, message{From: from, Topic: topic, Keys: keys[begin:], Signals: signals}.encode())
}
