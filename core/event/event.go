package event

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
)

// Event is something that happened, as its module declares it: a struct of members that JSON can carry. The tags json and
// doc name and explain each member, enum lists the texts that it can be, and personal:"true" marks what tells about a
// person: it is taken out when the account is deleted.
type Event interface {
	// Event says of which type it is, and whom it is about. The zero value says the type.
	Event() About
}

// About is what an event says of itself.
type About struct {
	Type    string     // aggregate, past tense and version, such as "user.registered.v1"; for good, since events outlive programs
	Subject account.ID // the account that it is about
}

// typePrefix stands before every type on the wire.
const typePrefix = "gatehouse."

// Envelope is an event as destinations get it: CloudEvents 1.0, with the members of its JSON format.
type Envelope struct {
	ID          uuid.UUID // version 7; the same at each delivery
	Source      string    // the installation, as tokens name their issuer
	Type        string    // such as "gatehouse.user.registered.v1"
	Subject     account.ID
	Time        time.Time       // when it happened
	Data        json.RawMessage // an object, after the type's schema
	TraceParent string          // W3C Trace Context of the cause; empty where nothing traced it
}

// wire is the JSON of an Envelope.
type wire struct {
	SpecVersion     string          `json:"specversion"`
	ID              uuid.UUID       `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         account.ID      `json:"subject"`
	Time            string          `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	TraceParent     string          `json:"traceparent,omitempty"`
	Data            json.RawMessage `json:"data"`
}

const (
	specVersion = "1.0"
	contentType = "application/json"
	timeLayout  = "2006-01-02T15:04:05.000000Z"
)

// MarshalJSON implements json.Marshaler.
func (e Envelope) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{
		SpecVersion: specVersion, ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time.UTC().Format(timeLayout),
		DataContentType: contentType, TraceParent: e.TraceParent, Data: e.Data,
	})
}
