package servicebus

import (
	"encoding/json"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/gatehouse/gatehouse/core/event"
)

// contentType is that of an event in its JSON format.
const contentType = "application/cloudevents+json"

// messageOf makes the message of an event. Its id is the event's at each delivery, so that an entity that detects
// duplicates does; its session is the subject, so that whoever receives by session gets the events of one account in order.
// The properties are for filters.
func messageOf(e event.Envelope) (*azservicebus.Message, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	id, session, kind, content := e.ID.String(), e.Subject.String(), e.Type, contentType
	properties := map[string]any{
		"type": e.Type, "source": e.Source, "subject": session, "time": e.Time.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	if e.TraceParent != "" {
		properties["traceparent"] = e.TraceParent
		properties["Diagnostic-Id"] = e.TraceParent // what Azure's own clients read
	}
	return &azservicebus.Message{
		MessageID: &id, SessionID: &session, Subject: &kind, ContentType: &content, Body: body, ApplicationProperties: properties,
	}, nil
}
