// Package brokertest lets tests use the broker that internal/testenv starts in place of Azure Service Bus: make entities, look
// into them, and have things go wrong.
package brokertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// variable leads to what the broker is controlled by; internal/testenv sets it.
const variable = "TEST_SERVICEBUS_URL"

// Available says whether there is a broker.
func Available() bool { return os.Getenv(variable) != "" }

// Broker is the broker that all tests share.
type Broker struct {
	control string
	info    struct {
		Port     int    `json:"port"`
		KeyName  string `json:"key_name"`
		Key      string `json:"key"`
		Identity string `json:"identity"`
	}
}

// Connect finds the broker. Tests call it where it is Available.
func Connect(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{control: strings.TrimSuffix(os.Getenv(variable), "/")}
	b.ask(t, http.MethodGet, "/", nil, &b.info)
	return b
}

func (b *Broker) ask(t testing.TB, method, path string, body, into any) {
	t.Helper()
	sent, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, b.control+path, bytes.NewReader(sent))
	require.NoError(t, err)
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }() // it was only read
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", got)
	if into != nil {
		require.NoError(t, json.Unmarshal(got, into))
	}
}

// Connection gives a connection string.
func (b *Broker) Connection() string { return b.connection(b.info.Port, b.info.Key) }

// ConnectionWithWrongKey gives one whose key is not the broker's.
func (b *Broker) ConnectionWithWrongKey() string { return b.connection(b.info.Port, "d3Jvbmc=") }

// Namespace gives where the broker listens, for clients that come with an identity.
func (b *Broker) Namespace() string { return fmt.Sprintf("localhost:%d", b.info.Port) }

// Identity gives the one token that it takes for an identity's.
func (b *Broker) Identity() string { return b.info.Identity }

func (b *Broker) connection(port int, key string) string {
	return fmt.Sprintf("Endpoint=sb://localhost:%d;SharedAccessKeyName=%s;SharedAccessKey=%s;UseDevelopmentEmulator=true", port, b.info.KeyName, key)
}

// Options are those of a queue, or of every subscription of a topic. Zero fields have the broker's defaults.
type Options struct {
	Sessions      bool `json:"sessions,omitempty"`
	Dedup         bool `json:"dedup,omitempty"` // detects duplicates
	LockMS        int  `json:"lock_ms,omitempty"`
	MaxDeliveries int  `json:"max_deliveries,omitempty"`
	MaxSize       int  `json:"max_size,omitempty"` // of a message, in bytes
}

// Queue makes a queue and gives its name.
func (b *Broker) Queue(t testing.TB, o Options) string {
	t.Helper()
	name := "queue-" + uuid.NewString()
	b.ask(t, http.MethodPost, "/entities", struct {
		Options

		Queue string `json:"queue"`
	}{o, name}, nil)
	return name
}

// Topic makes a topic and gives its name. Filters has its subscriptions: what properties of a message each wants, "label"
// among them.
func (b *Broker) Topic(t testing.TB, o Options, filters map[string]map[string]string) string {
	t.Helper()
	type subscription struct {
		Name   string            `json:"name"`
		Filter map[string]string `json:"filter,omitempty"`
	}
	var all []subscription
	for name, filter := range filters {
		all = append(all, subscription{name, filter})
	}
	name := "topic-" + uuid.NewString()
	b.ask(t, http.MethodPost, "/entities", struct {
		Options

		Topic         string         `json:"topic"`
		Subscriptions []subscription `json:"subscriptions"`
	}{o, name, all}, nil)
	return name
}

// Faults are what goes wrong at an entity.
type Faults struct {
	Entity        string  `json:"entity"`
	Cut           float64 `json:"cut,omitempty"`            // share of messages after which the connection is cut, before the client hears that they were taken
	CutSettlement float64 `json:"cut_settlement,omitempty"` // share of settlements at which the connection is cut instead
	Busy          int     `json:"busy,omitempty"`           // how many messages are refused because the broker is busy
	Refuse        string  `json:"refuse,omitempty"`         // messages that hold this text are refused; empty for none
	Unauthorized  bool    `json:"unauthorized,omitempty"`   // no token is good enough
}

// Fault has things go wrong from now on; a Faults with the entity alone mends them.
func (b *Broker) Fault(t testing.TB, f Faults) {
	t.Helper()
	b.ask(t, http.MethodPost, "/faults", f, nil)
}

// Message is one that lies in a queue or subscription.
type Message struct {
	ID          string         `json:"id"`
	Session     string         `json:"session"`
	Label       string         `json:"label"`
	ContentType string         `json:"content_type"`
	Properties  map[string]any `json:"properties"`
	Body        string         `json:"body"`
	Deliveries  int            `json:"deliveries"`
	Reason      string         `json:"reason"` // why it was dead-lettered
	Description string         `json:"description"`
}

// Contents are what lies in a queue or subscription, in the order in which it came.
type Contents struct {
	Active    []Message `json:"active"`
	Dead      []Message `json:"dead"`
	Completed int       `json:"completed"`
}

// Contents looks into a queue, or into <topic>/subscriptions/<subscription>.
func (b *Broker) Contents(t testing.TB, entity string) (c Contents) {
	t.Helper()
	b.ask(t, http.MethodGet, "/messages?entity="+url.QueryEscape(entity), nil, &c)
	return c
}

// Line is a way to the broker that can be away. It lies between the broker and a client.
type Line struct {
	b        *Broker
	listener net.Listener
	address  string

	mu   sync.Mutex
	away bool
	open map[net.Conn]bool
}

// Line makes a way of its own to the broker, for as long as the test runs.
func (b *Broker) Line(t testing.TB) *Line {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "localhost:0")
	require.NoError(t, err)
	l := &Line{b: b, listener: listener, address: net.JoinHostPort("127.0.0.1", strconv.Itoa(b.info.Port)), open: map[net.Conn]bool{}}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { l.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // it ends
		l.Away(true)
		group.Wait()
	})
	return l
}

// Connection gives a connection string that leads over the line.
func (l *Line) Connection() string {
	return l.b.connection(l.listener.Addr().(*net.TCPAddr).Port, l.b.info.Key)
}

// Away cuts the line, or mends it.
func (l *Line) Away(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
	if away {
		for c := range l.open {
			_ = c.Close() // that is what is asked for
		}
	}
}

// carry takes bytes both ways until either side ends.
func (l *Line) carry(client net.Conn) {
	defer func() { _ = client.Close() }() // perhaps a second time
	broker, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", l.address)
	if err != nil {
		return
	}
	defer func() { _ = broker.Close() }() // as above
	l.mu.Lock()
	if l.away {
		l.mu.Unlock()
		return
	}
	l.open[client], l.open[broker] = true, true
	l.mu.Unlock()
	var group sync.WaitGroup
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // until it ends, in whatever way
		_, _ = to.Close(), from.Close()
	}
	group.Go(func() { pipe(broker, client) })
	pipe(client, broker)
	group.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, client)
	delete(l.open, broker)
}
