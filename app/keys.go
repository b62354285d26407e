package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/token"
)

// keysDeadline bounds one look at the signing keys, and one change of them.
const keysDeadline = 2 * time.Second

// keepKeys keeps the signing keys of a process that serves or works: it looks for what other processes have changed, and
// rotates when the schedule asks for it. It goes on while the process drains, until stop, which waits for it.
func (a *App) keepKeys(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	looking := outcome{logger: a.Stores.Logger, what: "look at the signing keys"}
	rotating := outcome{logger: a.Stores.Logger, what: "rotate the signing keys on schedule"}
	var group sync.WaitGroup
	group.Go(func() {
		for pauseBetweenLooks(ctx) {
			looking.note(ctx, within(ctx, keysDeadline, a.Stores.keys.Reload))
			rotating.note(ctx, within(ctx, keysDeadline, a.rotateIfDue))
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// pauseBetweenLooks waits for at most token.ReloadInterval, and less by chance, so that instances which were started together
// do not ask together. It is false once ctx has ended.
func pauseBetweenLooks(ctx context.Context) bool {
	wait(ctx, token.ReloadInterval-rand.N(token.ReloadInterval/5)) //nolint:gosec // spreads load, guards nothing
	return ctx.Err() == nil
}

func within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}

func (a *App) rotateIfDue(ctx context.Context) error {
	key, err := a.Stores.keys.RotateIfDue(ctx)
	if key != nil {
		a.Stores.Logger.InfoContext(ctx, "the next signing key is published", "kid", key.ID, "signs_from", key.SignsFrom)
	}
	return err
}

// outcome tells what becomes of work that is done again and again: a failure once until it changes, and its end. It belongs
// to one goroutine.
type outcome struct {
	logger *slog.Logger
	what   string
	failed string // the failure that was told last; empty while all is well
}

func (o *outcome) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil: // stopped, which is no failure
	case err != nil && err.Error() != o.failed:
		o.failed = err.Error()
		o.logger.WarnContext(ctx, "work in the background fails, trying again", "work", o.what, "cause", err)
	case err == nil && o.failed != "":
		o.failed = ""
		o.logger.InfoContext(ctx, "work in the background goes on", "work", o.what)
	}
}

// RotateKeys makes a signing key that is published at once and signs ten seconds later. The app must be open.
func (a *App) RotateKeys(ctx context.Context) (token.Key, error) {
	return a.Stores.keys.Rotate(ctx, a.writeDown(actRotateKeys))
}

// RevokeKeys makes a signing key that signs at once, and ends every other with all tokens it has signed. The app must be open.
func (a *App) RevokeKeys(ctx context.Context) (token.Key, error) {
	return a.Stores.keys.Revoke(ctx, a.writeDown(actRevokeKeys))
}

// Now is the time by the app's clock.
func (a *App) Now() time.Time { return a.Stores.Clock.Now() }

// SigningKeys lists the signing keys in the order in which they sign. It needs no open database and makes none; where none
// was set up there are none.
func (a *App) SigningKeys(ctx context.Context) ([]token.Key, error) {
	db, err := a.openExisting(ctx)
	if errors.Is(err, database.ErrNoDatabase) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	list, err := db.MigrationStatus(ctx, a.Migrations())
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.Module == coreName && m.State == database.StatePending {
			return nil, nil
		}
	}
	return token.ListKeys(ctx, db, a.Now())
}

// keys says which key signs, and when the next one comes.
func (e *examination) keys(ctx context.Context, db *database.DB) {
	const subject = "signing keys"
	now, policy := e.app.Now(), e.settings.token.Policy()
	all, err := token.ListKeys(ctx, db, now)
	if err != nil {
		e.fail(subject, Plain(err), "check the database")
		return
	}
	var newest *token.Key
	signing := "none signs now"
	for i, k := range all {
		if k.State == token.KeySigning {
			signing = fmt.Sprintf("%s signs, since %s", k.Algorithm, k.SignsFrom.Format(time.RFC3339))
		}
		if k.RetiresAt == nil {
			newest = &all[i]
		}
	}
	if newest == nil {
		e.ok(subject, "there is none yet; the first start makes it")
		return
	}
	if newest.State == token.KeyPublished {
		e.ok(subject, signing+"; the next is published and signs from "+newest.SignsFrom.Format(time.RFC3339))
		return
	}
	due := policy.Due(*newest.SignsFrom)
	if late := now.Sub(due); late > keysLate {
		e.warn(subject, signing+"; the next should have been published on "+due.Format(time.RFC3339),
			"keep gatehouse serve running, which rotates them, and see what it logs; gatehouse keys rotate does it now")
		return
	}
	e.ok(subject, signing+"; the next is published on "+due.Format(time.RFC3339))
}

// keysLate is how long after its time a rotation is worth a word.
const keysLate = time.Hour
