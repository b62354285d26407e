package webhooks

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/page"
)

// byID names the webhook that an operation is about.
type byID struct {
	ID ID `path:"id" format:"uuid" doc:"the webhook's id"`
}

type deliveryOf struct {
	byID
	Delivery ID `path:"delivery" format:"uuid" doc:"the id of an attempt in the webhook's log"`
}

type newInput struct {
	Body newWebhook
}

// newWebhook is what a webhook begins with.
type newWebhook struct {
	URL         string   `json:"url" maxLength:"2048" doc:"https:// URL of a public host that gets a POST for each event; without user, password and fragment" example:"https://hooks.example.com/gatehouse"`
	Description string   `json:"description,omitempty" maxLength:"200" doc:"what it is for" example:"billing"`
	EventTypes  []string `json:"event_types,omitempty" maxItems:"100" doc:"types that it gets, as on the wire; none or an empty list for all, those of later releases too" example:"[\"gatehouse.user.registered.v1\"]"`
}

func (s *Service) checkNew(in *newInput, report func(errs.Field)) {
	s.checkURL(in.Body.URL, report)
	checkDescription(in.Body.Description, report)
	s.checkTypes(in.Body.EventTypes, report)
}

type changeInput struct {
	byID
	httpapi.Precondition

	Body webhookChange
}

// webhookChange is what may be changed about a webhook.
type webhookChange struct {
	URL         httpapi.Member[string]   `json:"url,omitzero" maxLength:"2048" doc:"as at its making" example:"https://hooks.example.com/gatehouse"`
	Description httpapi.Member[string]   `json:"description,omitzero" maxLength:"200" doc:"what it is for" example:"billing"`
	EventTypes  httpapi.Member[[]string] `json:"event_types,omitzero" maxItems:"100" doc:"types that it gets, as on the wire; an empty list for all"`
	IsActive    httpapi.Member[bool]     `json:"is_active,omitzero" doc:"whether it gets events" example:"true"`
}

func (c webhookChange) change() Change {
	return Change{URL: c.URL.Pointer(), Description: c.Description.Pointer(), Types: c.EventTypes.Pointer(), IsActive: c.IsActive.Pointer()}
}

func (s *Service) checkChange(in *changeInput, report func(errs.Field)) {
	if in.Body.URL.Given {
		s.checkURL(in.Body.URL.Value, report)
	}
	checkDescription(in.Body.Description.Value, report)
	s.checkTypes(in.Body.EventTypes.Value, report)
}

func (s *Service) checkURL(text string, report func(errs.Field)) {
	if fault, ok := errors.AsType[*egress.URLError](s.deps.Egress.CheckURL(text)); ok {
		report(fault.Field("#/url"))
	}
}

func checkDescription(text string, report func(errs.Field)) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		report(errs.Field{Pointer: "#/description", Code: errs.InvalidFormat, Message: "must hold no control characters"})
	}
}

func (s *Service) checkTypes(types []string, report func(errs.Field)) {
	known := s.deps.Events.Types()
	for i, name := range types {
		at := fmt.Sprintf("#/event_types/%d", i)
		switch {
		case !slices.ContainsFunc(known, func(t event.Type) bool { return t.Name == name }):
			report(errs.Field{Pointer: at, Code: errs.NotAllowed, Message: "is not a type of event that is told here"})
		case slices.Contains(types[:i], name):
			report(errs.Field{Pointer: at, Code: errs.Duplicate, Message: "stands in the list already"})
		}
	}
}

// pageInput says which page of a list to give.
type pageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"how many on a page; it may change between pages"`
	Cursor string `query:"cursor" minLength:"1" doc:"next_cursor of the page before"`

	after *page.Position
}

type listInput struct{ pageInput }

type logInput struct {
	byID
	pageInput
}

var hooksScope = page.Scope("webhooks")

func attemptsScope(of ID) string { return page.Scope("webhooks.deliveries", of.String()) }

func (s *Service) checkList(in *listInput, report func(errs.Field)) {
	s.openCursor(&in.pageInput, hooksScope, report)
}

func (s *Service) checkLog(in *logInput, report func(errs.Field)) {
	s.openCursor(&in.pageInput, attemptsScope(in.ID), report)
}

func (s *Service) openCursor(in *pageInput, scope string, report func(errs.Field)) {
	if in.Cursor == "" {
		return
	}
	var at time.Time
	var id ID
	if s.deps.Cursors.Decode(scope, in.Cursor, &at, &id) != nil {
		report(page.ErrCursor.Fields()[0])
		return
	}
	in.after = &page.Position{Value: at, ID: id}
}

// Webhook is a webhook as the API shows it.
type Webhook struct {
	ID                      ID            `json:"id" format:"uuid" doc:"UUID version 7" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	URL                     string        `json:"url" example:"https://hooks.example.com/gatehouse"`
	Description             string        `json:"description" example:"billing"`
	EventTypes              []string      `json:"event_types" nullable:"false" doc:"types that it gets; empty for all" example:"[\"gatehouse.user.registered.v1\"]"`
	IsActive                bool          `json:"is_active" doc:"whether it gets events" example:"true"`
	DisabledAt              *httpapi.Time `json:"disabled_at" nullable:"true" doc:"when it was disabled; null while it is active" example:"null"`
	DisabledReason          *string       `json:"disabled_reason" doc:"administrator, gone (it answered 410) or failing (it took nothing for webhooks.disable_after); null while it is active" example:"null"`
	FailingSince            *httpapi.Time `json:"failing_since" nullable:"true" doc:"when the failures began that no success has followed; null where there are none" example:"null"`
	PreviousSecretExpiresAt *httpapi.Time `json:"previous_secret_expires_at" nullable:"true" doc:"until when deliveries are signed with the secret of before as well; null where there was none" example:"null"`
	CreatedAt               httpapi.Time  `json:"created_at"`
	UpdatedAt               httpapi.Time  `json:"updated_at" doc:"when it was last changed, or disabled"`

	version int64
}

// ETag changes with everything that shows.
func (w Webhook) ETag() string {
	tag := strconv.FormatInt(w.version, 36)
	if w.FailingSince != nil {
		tag += "-" + strconv.FormatInt(time.Time(*w.FailingSince).UnixMicro(), 36)
	}
	return `"` + tag + `"`
}

func toResponse(h Hook) Webhook {
	types := h.Types
	if types == nil {
		types = []string{}
	}
	return Webhook{
		ID: h.ID, URL: h.URL, Description: h.Description, EventTypes: types, IsActive: h.IsActive,
		DisabledAt: (*httpapi.Time)(h.DisabledAt), DisabledReason: (*string)(h.DisabledReason), FailingSince: (*httpapi.Time)(h.FailingSince),
		PreviousSecretExpiresAt: (*httpapi.Time)(h.PreviousUntil), CreatedAt: httpapi.Time(h.CreatedAt), UpdatedAt: httpapi.Time(h.UpdatedAt), version: h.Version,
	}
}

// createdWebhook is a webhook with its secret, which is shown this once.
type createdWebhook struct {
	Webhook

	Secret string `json:"secret" doc:"whsec_ and 32 bytes in base64, as the libraries of Standard Webhooks take it; it is not shown again" example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="`
}

// Location is where the webhook is found.
func (c createdWebhook) Location() string { return "/webhooks/" + c.ID.String() }

type newSecretResponse struct {
	Secret            string       `json:"secret" doc:"whsec_ and 32 bytes in base64, as the libraries of Standard Webhooks take it; it is not shown again" example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="`
	PreviousExpiresAt httpapi.Time `json:"previous_expires_at" doc:"until when deliveries are signed with the secret of before as well"`
}

// SchemaName is the type's name in the document.
func (newSecretResponse) SchemaName() string { return "WebhookSecret" }

// Delivery is an attempt at a delivery as the API shows it.
type Delivery struct {
	ID          ID           `json:"id" format:"uuid" doc:"of the attempt" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	EventID     uuid.UUID    `json:"event_id" format:"uuid" doc:"the webhook-id that was sent: the same at each attempt" example:"0190d3c4-0000-7a8b-9c0d-1e2f3a4b5c6d"`
	EventType   string       `json:"event_type" example:"gatehouse.user.registered.v1"`
	AttemptedAt httpapi.Time `json:"attempted_at"`
	Outcome     string       `json:"outcome" enum:"delivered,failed" example:"failed"`
	Status      *int         `json:"status" doc:"of the answer, or null where none came" example:"500"`
	DurationMS  int64        `json:"duration_ms" doc:"until the answer was read, or given up, in milliseconds" example:"120"`
	Error       *string      `json:"error" doc:"why it failed, for people; null where it was delivered" example:"the receiver answered 500"`
}

func toDelivery(a Attempt) Delivery {
	d := Delivery{
		ID: a.ID, EventID: a.Event, EventType: a.Type, AttemptedAt: httpapi.Time(a.At), Outcome: "delivered",
		Status: a.Status, DurationMS: a.Took.Milliseconds(), Error: a.Fault,
	}
	if a.Fault != nil {
		d.Outcome = "failed"
	}
	return d
}
