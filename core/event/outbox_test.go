package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/push"
)

func TestAnEventIsACloudEvent(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk := newClock()
		p := open(t, db, setup{clock: clk})
		ada := account.NewID()
		p.write(t, ada, 7)
		all, err := p.List(t.Context(), event.Filter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.EqualValues(t, 7, all[0].ID.Version())
		text, err := json.Marshal(all[0].Envelope)
		require.NoError(t, err)
		require.JSONEq(t, `{"specversion":"1.0","id":"`+all[0].ID.String()+`","source":"urn:test","type":"gatehouse.note.written.v1","subject":"`+ada.String()+`",
			"time":"2026-01-02T03:04:05.000000Z","datacontenttype":"application/json","data":{"user_id":"`+ada.String()+`","n":7,"text":"buy milk"}}`, string(text))
	})
}

func TestAnEventIsThereWhenAndOnlyWhenItsCauseIs(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p := open(t, db, setup{})
		no := errors.New("no")
		require.ErrorIs(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			require.NoError(t, p.Append(ctx, tx, notes(account.NewID(), 1, 2)...))
			return no
		}), no)
		require.Zero(t, p.count(t, "gatehouse_events"))
		p.write(t, account.NewID(), upTo(100)...)
		require.Equal(t, 100, p.count(t, "gatehouse_events"))
	})
}

func TestWhatWasNotDeclaredIsNotTold(t *testing.T) {
	t.Parallel()
	p := open(t, databasetest.SQLite(t), setup{})
	for what, e := range map[string]event.Event{"an unknown type": stranger{account.NewID()}, "about nobody": written{N: 1}, "large": written{UserID: account.NewID(), Text: strings.Repeat("x", 65<<10)}} {
		require.Error(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return p.Append(ctx, tx, e) }), what)
	}
	require.Zero(t, p.count(t, "gatehouse_events"))
}

type stranger struct {
	UserID account.ID `json:"user_id" doc:"who it is"`
}

func (e stranger) Event() event.About {
	return event.About{Type: "stranger.seen.v1", Subject: e.UserID}
}

type unnamed struct {
	UserID account.ID `json:"user_id" doc:"who it is"`
}

func (e unnamed) Event() event.About { return event.About{Type: "Unnamed", Subject: e.UserID} }

type nested struct {
	UserID account.ID     `json:"user_id" doc:"who it is"`
	More   map[string]int `json:"more" doc:"what no schema says"`
}

func (e nested) Event() event.About { return event.About{Type: "nested.seen.v1", Subject: e.UserID} }

type undocumented struct {
	UserID account.ID `json:"user_id"`
}

func (e undocumented) Event() event.About {
	return event.About{Type: "undocumented.seen.v1", Subject: e.UserID}
}

func TestADeclarationThatCannotBeKeptPanics(t *testing.T) {
	t.Parallel()
	o := event.NewOutbox(&push.Bus{})
	event.Declare[stranger](o, "somebody was seen")
	require.Panics(t, func() { event.Declare[stranger](o, "somebody was seen") }, "twice")
	require.Panics(t, func() { event.Declare[unnamed](o, "somebody was seen") })
	require.Panics(t, func() { event.Declare[nested](o, "somebody was seen") })
	require.Panics(t, func() { event.Declare[undocumented](o, "somebody was seen") })
	require.Panics(t, func() { event.Declare[written](o, "") })
	require.Len(t, o.Types(), 1)
}

func TestASchemaSaysWhatTheDataIs(t *testing.T) {
	t.Parallel()
	o := event.NewOutbox(&push.Bus{})
	event.Declare[written](o, "somebody wrote a note")
	require.JSONEq(t, `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"urn:gatehouse:note:written:v1","title":"gatehouse.note.written.v1",
		"description":"somebody wrote a note","type":"object","required":["user_id","n"],"properties":{
			"user_id":{"type":"string","format":"uuid","description":"whose note it is"},
			"n":{"type":"integer","description":"its number"},
			"text":{"type":"string","description":"what it says","x-personal":true}}}`, string(o.Types()[0].Schema()))
	var b strings.Builder
	require.NoError(t, o.WriteReference(&b))
	require.Contains(t, b.String(), "## gatehouse.note.written.v1\n\nSomebody wrote a note.")
	require.Contains(t, b.String(), "| `text` | yes | what it says |")
}

func TestWhatIsPersonalGoesWithTheAccount(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		p := open(t, db, setup{subscriptions: []event.Subscription{l.reads("notes.index", func(w written) error {
			if w.N == 2 {
				return errors.New("cannot take: " + w.Text)
			}
			return nil
		})}})
		ada, eve := account.NewID(), account.NewID()
		p.write(t, ada, 1)
		p.write(t, ada, 2)
		p.write(t, eve, 3)
		p.drain(t)
		p.write(t, ada, 4)
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return p.EraseTx(ctx, tx, ada) }))
		all, err := p.List(t.Context(), event.Filter{Subject: ada, Limit: 10})
		require.NoError(t, err)
		require.Len(t, all, 3, "that it happened stays")
		for _, e := range all {
			require.NotContains(t, string(e.Data), "milk")
			require.Contains(t, string(e.Data), ada.String())
		}
		_, deliveries, err := p.Find(t.Context(), all[1].ID)
		require.NoError(t, err)
		require.Equal(t, event.StateRetrying, deliveries[0].State)
		require.Empty(t, deliveries[0].Fault, "a handler may have quoted it")
		theirs, err := p.Export(t.Context(), eve)
		require.NoError(t, err)
		require.Len(t, theirs, 1)
		require.Contains(t, string(theirs[0].Data), "milk")
		nobodys, err := p.Export(t.Context(), account.NewID())
		require.NoError(t, err)
		require.Nil(t, nobodys)
	})
}

func TestEventsAreKeptForTheRetentionAndUntilEveryDestinationHasThem(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk, l, ada := newClock(), newLog(), account.NewID()
		s := setup{clock: clk, settings: event.Settings{Retention: 24 * time.Hour, MaxAttempts: 2}, subscriptions: []event.Subscription{
			l.reads("notes.index", func(w written) error {
				if w.N == 1 {
					return errors.New("no")
				}
				return nil
			}), l.reads("notes.mirror", nil),
		}}
		p := open(t, db, s)
		p.write(t, ada, 1)
		p.write(t, account.NewID(), 2)
		clk.Advance(25 * time.Hour)
		require.NoError(t, p.Prune(t.Context()))
		require.Equal(t, 2, p.count(t, "gatehouse_events"), "nobody has them yet")
		p.drain(t)
		p.write(t, account.NewID(), 3)
		require.NoError(t, p.Prune(t.Context()))
		require.Equal(t, 2, p.count(t, "gatehouse_events"), "one is tried again, one is young")
		clk.Advance(time.Minute)
		p.drain(t)
		require.Equal(t, 1, p.count(t, "gatehouse_event_deliveries WHERE dead_at IS NOT NULL"))
		require.NoError(t, p.Prune(t.Context()))
		require.Equal(t, 1, p.count(t, "gatehouse_events"))
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"), "it goes with its event")

		s.subscriptions = s.subscriptions[1:]
		other := open(t, db, s)
		other.write(t, ada, 4)
		other.drain(t)
		clk.Advance(23 * time.Hour)
		require.NoError(t, other.Prune(t.Context()))
		clk.Advance(2 * time.Hour)
		require.NoError(t, other.Prune(t.Context()))
		require.Zero(t, p.count(t, "gatehouse_events"), "a destination that no program has any more keeps nothing for ever")
		require.Equal(t, 1, p.count(t, "gatehouse_event_destinations"))
	})
}

func TestManyEventsExpireStepByStep(t *testing.T) {
	t.Parallel()
	clk := newClock()
	p := open(t, databasetest.SQLite(t), setup{clock: clk, subscriptions: []event.Subscription{newLog().reads("notes.index", nil)}})
	for range 25 {
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			for range 100 {
				if err := p.Append(ctx, tx, ignored{UserID: account.NewID()}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	p.drain(t)
	clk.Advance(31 * 24 * time.Hour)
	require.NoError(t, p.Prune(t.Context()))
	require.Zero(t, p.count(t, "gatehouse_events"))
}

func TestOperatorsSeeWhatHasBecomeOfAnEvent(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		p := open(t, db, setup{subscriptions: []event.Subscription{l.reads("notes.index", nil), l.reads("notes.mirror", func(w written) error {
			if w.N == 1 {
				return errors.New("no")
			}
			return nil
		})}})
		ada := account.NewID()
		p.write(t, ada, 1, 2)
		all, err := p.List(t.Context(), event.Filter{Type: "gatehouse.note.written.v1", Limit: 10})
		require.NoError(t, err)
		require.Zero(t, all[0].Number)
		_, err = p.Replay(t.Context(), "", all[0].ID)
		require.ErrorIs(t, err, event.ErrNotNumbered)
		states := func(id uuid.UUID) (states []event.State) {
			_, deliveries, err := p.Find(t.Context(), id)
			require.NoError(t, err)
			for _, d := range deliveries {
				states = append(states, d.State)
			}
			return states
		}
		require.Equal(t, []event.State{event.StatePending, event.StatePending}, states(all[0].ID))
		p.drain(t)
		require.Equal(t, []event.State{event.StateSettled, event.StateHeld}, states(all[0].ID))
		require.Equal(t, []event.State{event.StateSettled, event.StateRetrying}, states(all[1].ID))
		_, _, err = p.Find(t.Context(), uuid.Must(uuid.NewV7()))
		require.ErrorIs(t, err, event.ErrNotFound)
		none, err := p.List(t.Context(), event.Filter{Type: "gatehouse.note.ignored.v1", Limit: 10})
		require.NoError(t, err)
		require.Empty(t, none)
	})
}
