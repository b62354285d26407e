package app

import (
	"context"
	"net/http"
	"strings"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/token"
)

// What the command line does to the installation.
const (
	actRotateKeys = "keys.rotate"
	actRevokeKeys = "keys.revoke"

	actRetryJob     = "job.retry"
	actCancelJob    = "job.cancel"
	actReplayEvents = "event.replay"
	actRetryEvents  = "event.retry"
)

func declareActs(t *audit.Trail) {
	t.Declare(actRotateKeys, "a signing key was made by hand; those that the schedule makes are not written down")
	t.Declare(actRevokeKeys, "a signing key was made, and every other was deleted, with all tokens that they have signed")
	t.Declare(actRetryJob, "a job was set to be worked at once on the command line; the details name it and its kind")
	t.Declare(actCancelJob, "a job was cancelled on the command line, or asked to end where it was at work; the details name it and its kind")
	t.Declare(actReplayEvents, "events were offered again on the command line; the details say which were asked for (an event, or a time and a type; a destination), and how many `deliveries` come of it; many have a row for each transaction, of 500 events")
	t.Declare(actRetryEvents, "events that had been set aside as dead were offered again on the command line; the details say which were asked for (an event, a destination), and how many `deliveries` come of it; many have a row for each transaction, of 500")
}

// writeDown gives what writes an act in the transaction of a change of the keys.
func (a *App) writeDown(action string) token.Also {
	return func(ctx context.Context, tx *database.Tx) error {
		return a.Stores.Audit.Append(ctx, tx, audit.Act{Action: action})
	}
}

// openAudit has acts written.
func (a *App) openAudit() error {
	count := func(name, unit, doc string) (func(int), error) {
		add, err := a.telemetry.Counter(name, unit, doc)
		return func(n int) {
			if n > 0 {
				add(context.Background(), int64(n))
			}
		}, err
	}
	refused, err := count("audit.refusals", "{refusal}", "Acts that were refused or failed, for the audit trail.")
	if err != nil {
		return err
	}
	written, err := count("audit.refusal_rows", "{row}", "Audit rows that were written of them.")
	if err != nil {
		return err
	}
	lost, err := count("audit.refusals_lost", "{refusal}", "Acts that were refused or failed and will never be in the audit trail.")
	if err != nil {
		return err
	}
	a.Stores.Audit.Open(audit.Options{
		DB: a.Stores.DB, Derive: a.Stores.Root.Derive, Settings: a.settings.audit, Clock: a.Stores.Clock, Logger: a.Stores.Logger,
		Observe: func(o audit.Observed) {
			refused(o.Refused)
			written(o.Written)
			lost(o.Lost)
		},
	})
	return nil
}

// refusedAs are operations whose refusals belong to an action of their own.
var refusedAs = map[string]string{"login": "login", "register": "user.register"}

// refused notes what the border of the API has refused.
func (a *App) refused(ctx context.Context, r httpapi.Refusal) {
	act := audit.Act{Action: audit.Denied, Outcome: audit.Refused, Reason: r.Err.Reason(), Details: map[string]any{"operation": r.Operation}}
	if own := refusedAs[r.Operation]; a.Stores.Audit.Knows(own) {
		act.Action = own
	}
	switch {
	case act.Reason != "":
	case r.Err.Status() == http.StatusTooManyRequests:
		act.Reason = "rate_limited"
	default:
		act.Reason = "forbidden"
	}
	if strings.HasPrefix(r.Path, "/users/{id}") {
		if id, err := account.ParseID(r.ID); err == nil {
			act.Target = id
		}
	}
	a.Stores.Audit.Refuse(ctx, act)
}
