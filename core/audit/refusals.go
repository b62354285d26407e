package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

const (
	// ownRows is how many refusals of one source get rows of their own in its minute.
	ownRows = 10
	// gatherFor is that minute, which begins with the first refusal.
	gatherFor = time.Minute
	// mostSources bounds the memory: some 500 bytes each.
	mostSources = 10_000
	// mostWaiting bounds the rows that wait for the database.
	mostWaiting = 1000
	// flushEvery is how often a process that serves writes what it has refused.
	flushEvery = time.Second
	// flushDeadline bounds one such writing, but for its commit.
	flushDeadline = 5 * time.Second
)

// refusals are what was refused and is not written yet. Beyond bounds nothing is dropped, but counted with others.
type refusals struct {
	mu      sync.Mutex
	waiting []row
	sources map[string]*source
	crowd   source // of all that found no place
	failing bool   // the latest writing failed
}

// source is where refusals come from: an address, or a /64 of IPv6.
type source struct {
	since time.Time // when its minute began
	own   int       // rows of its own in that minute
	rest  *gathered // what came beyond
}

// gathered are refusals that share a row.
type gathered struct {
	row
	by    map[string]int64 // how many of each action and reason
	until time.Time        // when the latest came
}

// Refuse notes an act that was refused or failed, for a row that is written a moment later. It does not wait for the
// database, and cannot fail.
func (t *Trail) Refuse(ctx context.Context, a Act) {
	r, err := t.rowOf(ctx, a)
	if err != nil {
		t.options.Logger.ErrorContext(ctx, "an audit row was not written", "action", a.Action, "cause", err)
		t.options.Observe(Observed{Refused: 1, Lost: 1})
		return
	}
	t.refusals.add(sourceOf(httpapi.ClientAddr(ctx)), r)
	t.options.Observe(Observed{Refused: 1})
}

// RefuseConflict is Refuse of an act that the state of things does not allow, where err is an answer that says so (409), such
// as that of the last administrator. Of any other error it notes nothing: wrong input is no refusal, nor is what is not there,
// or a store that is away. It gives err back.
func (t *Trail) RefuseConflict(ctx context.Context, a Act, err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Status() == http.StatusConflict {
		a.Outcome, a.Reason = Refused, cmp.Or(e.Reason(), strings.ToLower(e.Code()))
		t.Refuse(ctx, a)
	}
	return err
}

func sourceOf(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return ratelimit.KeyForAddress(addr)
}

func (f *refusals) add(key string, r row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sources[key]
	if s == nil {
		if len(f.sources) >= mostSources {
			f.crowd.gather(r)
			f.crowd.rest.ip, f.crowd.rest.userAgent = "", "" // it is of many
			return
		}
		s = &source{since: r.at}
		f.sources[key] = s
	}
	if !s.over(r.at) && s.own < ownRows && len(f.waiting) < mostWaiting {
		s.own++
		f.waiting = append(f.waiting, r)
		return
	}
	s.gather(r)
}

func (s *source) over(now time.Time) bool { return now.Sub(s.since) >= gatherFor }

// gather adds a refusal to those that share a row, which says of them what they have in common.
func (s *source) gather(r row) {
	if s.rest == nil {
		s.rest = &gathered{row: r, by: map[string]int64{}, until: r.at}
		s.rest.count = 0
		if s.since.IsZero() {
			s.since = r.at
		}
	}
	g := s.rest
	g.count += r.count
	g.until = r.at
	name := r.action
	if r.reason != "" {
		name += " " + r.reason
	}
	if len(g.by) < mostKinds || g.by[name] > 0 {
		g.by[name] += r.count
	} else {
		g.by["others"] += r.count
	}
	g.common(r)
}

// mostKinds bounds what a row lists.
const mostKinds = 20

// common leaves out of a shared row in what the next one differs.
func (g *gathered) common(r row) {
	if g.action != r.action {
		g.action, g.reason, g.outcome = Denied, "several", Refused
	}
	if g.reason != r.reason && g.reason != "several" {
		g.reason = "several"
	}
	if g.outcome != r.outcome {
		g.outcome = Refused
	}
	if g.target != r.target {
		g.target = account.ID{}
	}
	if g.actor != r.actor || g.actorKind != r.actorKind {
		g.actorKind, g.actor = Anonymous, account.ID{}
	}
	if g.ip != r.ip {
		g.ip = sourceOfText(g.ip)
	}
	if g.userAgent != r.userAgent {
		g.userAgent = ""
	}
	if g.email != r.email {
		g.email = ""
	}
}

// sourceOfText gives the /64 of an address of IPv6, since several of it share a row.
func sourceOfText(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip // it is a /64 already
	}
	return sourceOf(addr)
}

// settle makes the row of what was gathered.
func (g *gathered) settle() row {
	r := g.row
	details, err := json.Marshal(map[string]any{"until": httpapi.Time(g.until), "of": g.by})
	if err == nil { // texts, numbers and a time always marshal
		r.details = string(details)
	}
	return r
}

// take gives what is to be written now: rows of their own, and those of sources whose minute is over, or all.
func (f *refusals) take(now time.Time, all bool) []row {
	f.mu.Lock()
	defer f.mu.Unlock()
	rows := f.waiting
	f.waiting = nil
	for key, s := range f.sources {
		if !all && !s.over(now) {
			continue
		}
		if len(rows) >= mostWaiting && !all {
			break // the others keep gathering until the next time
		}
		if s.rest != nil {
			rows = append(rows, s.rest.settle())
		}
		delete(f.sources, key)
	}
	if f.crowd.rest != nil && (all || f.crowd.over(now)) {
		rows = append(rows, f.crowd.rest.settle())
		f.crowd = source{}
	}
	return rows
}

// giveBack keeps rows that could not be written for the next time, and gives how many there is no room for. Those that stand
// for most are kept.
func (f *refusals) giveBack(rows []row) (lost int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Concat(rows, f.waiting)
	if room := mostSources + mostWaiting; len(all) > room {
		slices.SortStableFunc(all, func(a, b row) int { return int(b.count - a.count) })
		for _, r := range all[room:] {
			lost += int(r.count)
		}
		all = all[:room]
	}
	f.waiting = all
	return lost
}

// Flush writes what was refused: what is due or, with everything, all of it, as a process does that ends. What cannot be
// written is kept for the next time.
func (t *Trail) Flush(ctx context.Context, everything bool) error {
	if t.options.DB == nil {
		return nil
	}
	t.flushing.Lock()
	defer t.flushing.Unlock()
	rows := t.refusals.take(t.options.Clock.Now(), everything)
	for len(rows) > 0 {
		n := min(len(rows), mostWaiting)
		if err := t.write(ctx, rows[:n]); err != nil {
			if lost := t.refusals.giveBack(rows); lost > 0 {
				t.options.Logger.ErrorContext(ctx, "audit rows of refusals are lost", "refusals", lost)
				t.options.Observe(Observed{Lost: lost})
			}
			t.tell(ctx, err)
			return err
		}
		t.options.Observe(Observed{Written: n})
		rows = rows[n:]
	}
	t.tell(ctx, nil)
	return nil
}

// tell says once that refusals cannot be written, and once that they can again.
func (t *Trail) tell(ctx context.Context, err error) {
	switch was := t.refusals.failing; {
	case err != nil && !was:
		t.options.Logger.WarnContext(ctx, "audit rows of refusals wait for the database", "cause", err)
	case err == nil && was:
		t.options.Logger.InfoContext(ctx, "audit rows of refusals are written again")
	}
	t.refusals.failing = err != nil
}

// write leaves out what is personal of accounts that were erased since.
func (t *Trail) write(ctx context.Context, rows []row) error {
	about := map[account.ID]bool{}
	for _, r := range rows {
		about[r.actor], about[r.target] = true, true
	}
	delete(about, account.ID{})
	return t.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		repo := repository{tx}
		erased, err := repo.erased(ctx, slices.Collect(maps.Keys(about)))
		if err != nil {
			return err
		}
		done := make([]row, 0, len(rows))
		for _, r := range rows {
			if erased[r.actor] || r.actor.IsZero() && erased[r.target] {
				r.ip, r.userAgent = "", ""
			}
			if erased[r.target] {
				r.email = ""
			}
			done = append(done, t.keys.finish(r))
		}
		return repo.insert(ctx, done)
	})
}

// Start writes what is refused until ctx ends or stop is called, which writes the rest.
func (t *Trail) Start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				t.flushWithin(ctx, false)
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
		t.Close(ctx)
	}
}

func (t *Trail) flushWithin(ctx context.Context, everything bool) {
	ctx, cancel := context.WithTimeout(ctx, flushDeadline)
	defer cancel()
	_ = t.Flush(ctx, everything) // it was told
}

// Close writes what was refused and is not written yet. What cannot be written then is lost, and told.
func (t *Trail) Close(ctx context.Context) {
	if t.options.DB == nil {
		return
	}
	t.flushWithin(context.WithoutCancel(ctx), true)
	lost := 0
	for _, r := range t.refusals.take(t.options.Clock.Now(), true) {
		lost += int(r.count)
	}
	if lost > 0 {
		t.options.Logger.ErrorContext(ctx, "audit rows of refusals are lost", "refusals", lost)
		t.options.Observe(Observed{Lost: lost})
	}
}
