package audit

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/page"
)

// Migrations make the tables of this package. They belong to the reserved module name Name.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Name is what this package's migrations, settings, jobs, permission and place in an export are named for. No module may take
// it.
const Name = "audit"

// Trail is where acts are written. Modules declare theirs while they are built; it takes acts once it is open. It is safe for
// concurrent use then.
type Trail struct {
	actions  map[string]string // doc by name
	cursors  *page.Codec
	options  Options
	keys     keys
	ids      ids
	refusals refusals
	flushing sync.Mutex
}

// Options are what Open needs.
type Options struct {
	DB       *database.DB
	Derive   func(purpose string) []byte // keys of the installation, as core/token's Root derives them
	Settings Settings
	Clock    clock.Clock
	Logger   *slog.Logger
	Observe  func(Observed) // is told of what was refused; may be nil
}

// Observed is what became of refusals, for metrics.
type Observed struct {
	Refused int // that came in
	Written int // rows that were written of them
	Lost    int // that will never be written
}

// NewTrail makes one that takes declarations. The cursors of its list may be opened later.
func NewTrail(cursors *page.Codec) *Trail {
	t := &Trail{actions: map[string]string{}, cursors: cursors}
	t.refusals.sources = map[string]*source{}
	t.Declare(Denied, "an operation was refused: `forbidden` where the role does not hold its permission, `rate_limited` where it came too often, or the reason of the answer; the details name the operation")
	return t
}

// Open makes it take acts. The schema must be there.
func (t *Trail) Open(o Options) {
	if o.Observe == nil {
		o.Observe = func(Observed) {}
	}
	t.options, t.keys = o, newKeys(o.Derive)
}

var errNotOpen = errors.New("audit: the trail is not open")

// maxDetails bounds what a row says beside its columns.
const maxDetails = 4 << 10

// Append writes acts when, and only when, the transaction commits.
func (t *Trail) Append(ctx context.Context, tx *database.Tx, acts ...Act) error {
	if t.options.DB == nil {
		return errNotOpen
	}
	rows := make([]row, 0, len(acts))
	for _, a := range acts {
		r, err := t.rowOf(ctx, a)
		if err != nil {
			return err
		}
		rows = append(rows, t.keys.finish(r))
	}
	return repository{tx}.insert(ctx, rows)
}

// rowOf makes a row of an act of a declared action, without what finish adds.
func (t *Trail) rowOf(ctx context.Context, a Act) (row, error) {
	if !t.Knows(a.Action) {
		return row{}, fmt.Errorf("audit: no module of this program declares %q", a.Action)
	}
	details := []byte("{}")
	if len(a.Details) > 0 {
		var err error
		if details, err = json.Marshal(a.Details); err != nil {
			return row{}, fmt.Errorf("audit: the details of %s: %w", a.Action, err)
		}
		if len(details) > maxDetails {
			return row{}, fmt.Errorf("audit: the details of %s are larger than %d bytes", a.Action, maxDetails)
		}
	}
	now := t.options.Clock.Now()
	r := row{
		id: t.ids.next(now), at: now, action: a.Action, outcome: a.Outcome, reason: a.Reason, target: a.Target, count: 1,
		details: string(details), email: a.Email,
	}
	if r.outcome == "" {
		r.outcome = Done
	}
	r.actorKind, r.actor = actorOf(ctx, a.Actor)
	if addr := httpapi.ClientAddr(ctx); addr.IsValid() {
		r.ip = addr.String()
	}
	r.userAgent = httpapi.UserAgent(ctx)
	return r, nil
}

// actorOf says who acts: whom the act names, whom the request's token does, nobody, or the operator where there is no request.
func actorOf(ctx context.Context, named account.ID) (ActorKind, account.ID) {
	if named.IsZero() {
		named = httpapi.Principal(ctx).Account
	}
	switch {
	case !named.IsZero():
		return User, named
	case httpapi.InRequest(ctx):
		return Anonymous, account.ID{}
	default:
		return Operator, account.ID{}
	}
}
