package webhooks

import (
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/core/audit"
)

// The acts that this module writes down.
const (
	actCreate    = "webhook.create"
	actChange    = "webhook.change"
	actDelete    = "webhook.delete"
	actRotate    = "webhook.rotate_secret"
	actTest      = "webhook.test"
	actRedeliver = "webhook.redeliver"
)

func declareActs(t *audit.Trail) {
	t.Declare(actCreate, "a webhook was made, or it was refused (`too_many_webhooks`); the details name it and the host that events go to")
	t.Declare(actChange, "a webhook was changed by somebody, or was not made active (`too_many_webhooks`); the details name the members, the host where it is another, and whether it is active where that changed")
	t.Declare(actDelete, "a webhook was deleted, with its log and all that waited for it")
	t.Declare(actRotate, "a webhook got another secret")
	t.Declare(actTest, "somebody had a test sent to a webhook")
	t.Declare(actRedeliver, "somebody had an event sent to a webhook again, or it was refused (`webhook_inactive`, `event_not_kept`)")
}

// actOn says what was done to a webhook, which is the details' to name: targets are accounts.
func actOn(action string, id ID, more map[string]any) audit.Act {
	details := map[string]any{"webhook_id": id}
	maps.Copy(details, more)
	return audit.Act{Action: action, Details: details}
}

// changeOf says what was changed. Of a URL it has the host alone: the rest may be secret.
func changeOf(was, next Hook) audit.Act {
	var changed []string
	more := map[string]any{}
	if next.URL != was.URL {
		changed, more["host"] = append(changed, "url"), next.host()
	}
	if next.Description != was.Description {
		changed = append(changed, "description")
	}
	if !slices.Equal(next.Types, was.Types) {
		changed = append(changed, "event_types")
	}
	if next.IsActive != was.IsActive {
		changed, more["is_active"] = append(changed, "is_active"), next.IsActive
	}
	more["changed"] = changed
	return actOn(actChange, next.ID, more)
}
