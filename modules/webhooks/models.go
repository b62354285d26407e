package webhooks

import (
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
)

// ID identifies a webhook, or an attempt at a delivery: a UUID version 7, with the one spelling of an account's.
type ID struct{ account.ID }

func newID() ID { return ID{account.NewID()} }

// Reason is why a webhook is not active.
type Reason string

// The reasons.
const (
	ReasonAdministrator Reason = "administrator"
	ReasonGone          Reason = "gone"    // it answered 410
	ReasonFailing       Reason = "failing" // it took nothing for Settings.DisableAfter
)

// Hook is a webhook as the module's callers see it. Its secrets are sealed.
type Hook struct {
	ID             ID
	URL            string
	Description    string
	Types          []string // of events, as on the wire; empty is all
	IsActive       bool
	DisabledAt     *time.Time // nil while it is active
	DisabledReason *Reason
	FailingSince   *time.Time // of the first failure that no success has followed; nil where there is none
	PreviousUntil  *time.Time // when the secret of before dies; nil where there is none
	Version        int64      // grows with every change by an administrator, and when it is disabled
	CreatedAt      time.Time
	UpdatedAt      time.Time

	failedAt         *time.Time // of a failure at most noteEvery before the latest
	secret, previous []byte     // sealed
}

func (h *Hook) wants(name string) bool { return len(h.Types) == 0 || slices.Contains(h.Types, name) }

// host is what a URL says about where events go that is no secret.
func (h *Hook) host() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// destination is the webhook's name among those of events.
func (id ID) destination() string { return "webhooks." + id.String() }

// NewHook is what a webhook begins with.
type NewHook struct {
	URL         string
	Description string
	Types       []string
}

// Change is what shall be different about a webhook; what is nil stays as it is.
type Change struct {
	URL         *string
	Description *string
	Types       *[]string
	IsActive    *bool
}

// of gives the webhook as it shall be.
func (c Change) of(h Hook, now time.Time) Hook {
	if c.URL != nil && *c.URL != h.URL {
		h.URL, h.FailingSince, h.failedAt = *c.URL, nil, nil // what was wrong there says nothing about the new place
	}
	if c.Description != nil {
		h.Description = *c.Description
	}
	if c.Types != nil && !slices.Equal(*c.Types, h.Types) {
		h.Types = *c.Types
	}
	switch {
	case c.IsActive == nil || *c.IsActive == h.IsActive:
	case *c.IsActive:
		h.IsActive, h.DisabledAt, h.DisabledReason, h.FailingSince, h.failedAt = true, nil, nil, nil, nil
	default:
		h.IsActive, h.DisabledAt, h.DisabledReason = false, &now, new(ReasonAdministrator)
	}
	return h
}

// attempt is an attempt at a delivery.
type attempt struct {
	id     ID
	event  uuid.UUID
	name   string // of the event's type
	at     time.Time
	took   time.Duration
	status int    // 0 where there was no answer
	fault  string // empty where it was delivered
	gone   bool   // the answer was 410
}

// Attempt is an attempt at a delivery as the log has it.
type Attempt struct {
	ID     ID
	Event  uuid.UUID
	Type   string
	At     time.Time
	Took   time.Duration
	Status *int    // nil where there was no answer
	Fault  *string // nil where it was delivered
}
