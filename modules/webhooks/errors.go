package webhooks

import "github.com/gatehouse/gatehouse/core/errs"

var (
	// ErrNotFound is a webhook, or an attempt at a delivery, that does not exist.
	ErrNotFound = errs.NotFound("there is no such webhook or delivery")
	// ErrTooMany is one active webhook more than there may be.
	ErrTooMany = errs.Conflict("too_many_webhooks", "there are 100 active webhooks; disable or delete one first")
	// ErrInactive is a webhook that gets nothing until it is active again.
	ErrInactive = errs.Conflict("webhook_inactive", "the webhook is not active; activate it first")
	// ErrNotKept is an event that cannot be sent again.
	ErrNotKept = errs.Conflict("event_not_kept", "the event is not kept any more, or was a test")
)
