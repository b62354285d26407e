package audit

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/page"
)

// Query says which rows are listed. Zero fields are not asked about.
type Query struct {
	Limit   int
	Cursor  string // of the page before; empty for the first
	Actor   account.ID
	Target  account.ID
	Action  string
	Outcome Outcome
	IP      string
	From    *time.Time // of that moment and later
	To      *time.Time // of before that moment
}

// Entry is a row as people and programs see it.
type Entry struct {
	ID         uuid.UUID      `json:"id" format:"uuid" doc:"UUID version 7, of the time" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	Number     *int64         `json:"number" minimum:"1" doc:"place in the order of the seals, or null before a worker has sealed it" example:"42"`
	OccurredAt httpapi.Time   `json:"occurred_at" doc:"when; of several refusals the first"`
	Action     string         `json:"action" doc:"what" example:"user.role"`
	Outcome    Outcome        `json:"outcome" enum:"done,failed,refused" doc:"how it ended: failed where what was given was wrong, refused where it is not allowed or came too often" example:"done"`
	Reason     *string        `json:"reason" doc:"why it was not done, or null" example:"null"`
	Actor      ActorKind      `json:"actor" enum:"user,operator,anonymous" doc:"who: a user, whoever runs commands, or a request that is nobody's" example:"user"`
	ActorID    *account.ID    `json:"actor_id" format:"uuid" nullable:"true" doc:"the user, or null" example:"0190d3c4-0000-7a8b-9c0d-1e2f3a4b5c6d"`
	TargetID   *account.ID    `json:"target_id" format:"uuid" nullable:"true" doc:"the user to whom it was done, or null" example:"0190d3c4-1111-7a8b-9c0d-1e2f3a4b5c6d"`
	Email      *string        `json:"email" doc:"address that it is about, or null; gone with the target" example:"null"`
	IP         *string        `json:"ip" doc:"address that it came from, a /64 where several of IPv6 share the row, or null; gone with the actor" example:"192.0.2.1"`
	UserAgent  *string        `json:"user_agent" doc:"program that it came from, or null; gone with the actor" example:"Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"`
	Count      int64          `json:"count" minimum:"1" doc:"how many refusals share the row; 1 otherwise" example:"1"`
	Details    map[string]any `json:"details" nullable:"false" doc:"what else there is to say, depending on the action"`
}

// SchemaName is the type's name in the document.
func (Entry) SchemaName() string { return "AuditEntry" }

func entryOf(r row) Entry {
	e := Entry{
		ID: r.id, OccurredAt: httpapi.Time(r.at), Action: r.action, Outcome: r.outcome, Reason: orNull(r.reason), Actor: r.actorKind,
		ActorID: idOrNull(r.actor), TargetID: idOrNull(r.target), Email: orNull(r.email), IP: orNull(r.ip), UserAgent: orNull(r.userAgent),
		Count: r.count, Details: map[string]any{},
	}
	if r.number != 0 {
		e.Number = &r.number
	}
	if json.Unmarshal([]byte(r.details), &e.Details) != nil || e.Details == nil {
		e.Details = map[string]any{} // a stranger's hand wrote it: Verify names the row
	}
	return e
}

// List gives one page, the newest first. It returns a validation error, with every fault, for what is no cursor of this list
// or no address.
func (t *Trail) List(ctx context.Context, q Query) (page.Page[Entry], error) {
	f, faults := t.filterOf(q)
	if len(faults) > 0 {
		return page.Page[Entry]{}, errs.Invalid(faults)
	}
	rows, err := repository{t.options.DB}.list(ctx, f, true, q.Limit+1)
	if err != nil {
		return page.Page[Entry]{}, err
	}
	p, err := page.Cut(rows, q.Limit, func(last row) (string, error) { return t.cursors.Encode(q.scope(), last.id.String()) })
	return page.Map(p, entryOf), err
}

// scope is all that shapes the list.
func (q Query) scope() string {
	return page.Scope("audit", q.Actor.String(), q.Target.String(), q.Action, string(q.Outcome), q.IP, instant(q.From), instant(q.To))
}

func instant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// filterOf holds a query against the rules, and opens its cursor, which takes the place of the upper end.
func (t *Trail) filterOf(q Query) (filter, []errs.Field) {
	var faults []errs.Field
	f := filter{actor: q.Actor, target: q.Target, action: q.Action, outcome: q.Outcome}
	if q.Limit < page.MinLimit || q.Limit > page.MaxLimit {
		faults = append(faults, page.ErrLimit.Fields()...)
	}
	if q.IP != "" {
		addr, err := netip.ParseAddr(q.IP)
		if err != nil {
			faults = append(faults, errs.Field{Parameter: "ip", Code: errs.InvalidFormat, Message: "is no address"})
		}
		f.ip = addr.WithZone("").Unmap().String()
	}
	if q.From != nil {
		f.from = new(firstID(*q.From))
	}
	if q.To != nil {
		f.before = new(firstID(*q.To))
	}
	if q.Cursor != "" {
		var text string
		err := t.cursors.Decode(q.scope(), q.Cursor, &text)
		id, parseErr := uuid.Parse(text)
		if err != nil || parseErr != nil {
			return f, append(faults, page.ErrCursor.Fields()...)
		}
		f.before = &id
	}
	return f, faults
}

// exportStep is how many rows of an export are in memory at once.
const exportStep = 500

// Each gives every row of a time, the oldest first, until f fails. Either end may be nil.
func (t *Trail) Each(ctx context.Context, from, to *time.Time, f func(Entry) error) error {
	var at filter
	if from != nil {
		at.from = new(firstID(*from))
	}
	if to != nil {
		at.before = new(firstID(*to))
	}
	for {
		rows, err := repository{t.options.DB}.list(ctx, at, false, exportStep)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := f(entryOf(r)); err != nil {
				return err
			}
		}
		if len(rows) < exportStep {
			return nil
		}
		at.from, at.behind = nil, &rows[len(rows)-1].id
	}
}
