package servicebus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/core/token"
)

// venue is where the tests that any Service Bus passes are held. One queue may stand for several.
type venue struct {
	connection string
	sessions   string // a queue that requires sessions
	plain      string // and one that has none

	brief, briefSessions string // the like, whose locks last for lock
	lock                 time.Duration

	bounded string // a queue without sessions whose messages have largest bytes at most
	largest int

	topic string // its subscriptions are all, notes (of messages whose property type is someType) and others (whose label is otherType)
}

const (
	someType  = "gatehouse.note.written.v1"
	otherType = "gatehouse.other.v1"
)

// eventsOf makes events of a subject, numbered from a number on.
func eventsOf(subject account.ID, from, n int) []event.Envelope {
	all := make([]event.Envelope, 0, n)
	for i := range n {
		all = append(all, event.Envelope{
			ID: uuid.Must(uuid.NewV7()), Source: "urn:test", Type: someType, Subject: subject, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, from+i)), TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		})
	}
	return all
}

func idsOf(events []event.Envelope) []string {
	all := make([]string, 0, len(events))
	for _, e := range events {
		all = append(all, e.ID.String())
	}
	return all
}

func newPublisher(t *testing.T, connection, entity string) *servicebus.Publisher {
	t.Helper()
	p, err := servicebus.NewPublisher(servicebus.Destination{Name: "notes", URL: "servicebus:///" + entity, ConnectionString: secret.New(connection)})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(context.Background()) })
	return p
}

// client is Azure's own, as somebody else's program has it.
func client(t *testing.T, connection string) *azservicebus.Client {
	t.Helper()
	c, err := azservicebus.NewClientFromConnectionString(connection, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func TestEventsArriveInTheSessionOfTheirSubjectInOrder(t *testing.T) {
	t.Parallel()
	if !hasVenue() {
		return
	}
	v := venueOf(t)
	p := newPublisher(t, v.connection, v.sessions)
	require.NoError(t, p.Probe(t.Context()))
	subjects := []account.ID{account.NewID(), account.NewID()}
	var all []event.Envelope
	for i := range 40 {
		all = append(all, eventsOf(subjects[i%2], i/2, 1)...)
	}
	for _, fault := range p.Publish(t.Context(), all) {
		require.NoError(t, fault)
	}
	c := client(t, v.connection)
	for i, subject := range subjects {
		r, err := c.AcceptSessionForQueue(t.Context(), v.sessions, subject.String(), nil)
		require.NoError(t, err)
		for n := range 20 {
			messages, err := r.ReceiveMessages(t.Context(), 1, nil)
			require.NoError(t, err)
			m, e := messages[0], all[2*n+i]
			require.Equal(t, e.ID.String(), m.MessageID)
			require.Equal(t, someType, *m.Subject)
			require.Equal(t, "application/cloudevents+json", *m.ContentType)
			want, err := json.Marshal(e)
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(m.Body))
			require.Equal(t, map[string]any{
				"type": someType, "source": "urn:test", "subject": subject.String(), "time": "2026-01-02T03:04:05.000000Z",
				"traceparent": e.TraceParent, "Diagnostic-Id": e.TraceParent,
			}, m.ApplicationProperties)
			require.NoError(t, r.CompleteMessage(t.Context(), m, nil))
		}
		require.NoError(t, r.Close(t.Context()))
	}
}

// inbox is a database and an outbox that handle messages.
type inbox struct {
	*event.Outbox

	db     *database.DB
	logs   *logtest.Logs
	before func() // is done, where it is set, before a message is handled
}

func newInbox(t *testing.T, on databasetest.Database) *inbox {
	t.Helper()
	settings := on.Settings()
	settings.PoolMin = 0
	db, err := database.Open(t.Context(), settings, database.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.Migrate(t.Context(), []database.Migrations{{Module: "core", FS: database.JoinFS(token.Migrations, event.Migrations)}})
	require.NoError(t, err)
	_, err = db.Exec(t.Context(), `CREATE TABLE notes_effects (id TEXT PRIMARY KEY)`)
	require.NoError(t, err)
	i := &inbox{Outbox: event.NewOutbox(&push.Bus{}), db: db, logs: &logtest.Logs{}}
	require.NoError(t, i.Open(t.Context(), event.Options{
		DB: db, Source: "urn:test", Settings: event.DefaultSettings(), Clock: clock.System{}, Logger: slog.New(slog.NewJSONHandler(i.logs, nil)),
	}))
	return i
}

// effects counts what handlers have done.
func (i *inbox) effects(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, i.db.QueryRow(t.Context(), `SELECT count(*) FROM notes_effects`).Scan(&n))
	return n
}

// once has an effect that cannot happen twice.
func once(ctx context.Context, tx *database.Tx, m event.Message) error {
	_, err := tx.Exec(ctx, `INSERT INTO notes_effects (id) VALUES (?)`, m.ID)
	return err
}

// tally notes what became of messages. It is safe for concurrent use.
type tally struct {
	mu   sync.Mutex
	all  map[servicebus.Outcome]int
	told chan struct{} // has one for each
}

func newTally() *tally {
	return &tally{all: map[servicebus.Outcome]int{}, told: make(chan struct{}, 1<<16)}
}

func (c *tally) note(_ string, o servicebus.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[o]++
	c.told <- struct{}{}
}

func (c *tally) of(o servicebus.Outcome) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[o]
}

// wait waits for so many messages, whatever became of them.
func (c *tally) wait(t *testing.T, n int) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for i := range n {
		select {
		case <-c.told:
		case <-deadline.C:
			require.FailNow(t, "too few messages", "%d of %d", i, n)
		}
	}
}

// handleMessage is what a listener hands messages to.
func (i *inbox) handleMessage(ctx context.Context, r event.Receiver, m event.Message) (duplicate bool, err error) {
	if i.before != nil {
		i.before()
	}
	return i.Handle(ctx, r, m)
}

// listen has an inbox handle an entity's messages until the test ends, or stop.
func (i *inbox) listen(t *testing.T, s servicebus.Receiver, handle func(context.Context, *database.Tx, event.Message) error, change ...func(*servicebus.Listener)) (count *tally, stop func()) {
	t.Helper()
	count = newTally()
	s.Name = "notes.inbox"
	if s.Concurrency == 0 {
		s.Concurrency = 4
	}
	if s.MaxDeliveries == 0 {
		s.MaxDeliveries = 10
	}
	l, err := servicebus.NewListener(s, event.Receive(s.Name, handle), servicebus.ListenOptions{
		Handle: i.handleMessage, Logger: slog.New(slog.NewJSONHandler(i.logs, nil)), Observe: count.note,
	})
	require.NoError(t, err)
	for _, f := range change {
		f(l)
	}
	require.NoError(t, l.Probe(t.Context()))
	stop = sync.OnceFunc(l.Start(t.Context()))
	t.Cleanup(stop)
	return count, stop
}

// send sends messages as somebody else's program does: numbered ones, of a session unless that is empty.
func send(t *testing.T, connection, entity, session string, ids ...string) {
	t.Helper()
	s, err := client(t, connection).NewSender(entity, nil)
	require.NoError(t, err)
	batch, err := s.NewMessageBatch(t.Context(), nil)
	require.NoError(t, err)
	for _, id := range ids {
		m := &azservicebus.Message{MessageID: &id, Body: []byte("body of " + id)}
		if session != "" {
			m.SessionID = &session
		}
		require.NoError(t, batch.AddMessage(m, nil))
	}
	require.NoError(t, s.SendMessageBatch(t.Context(), batch, nil))
}

// numbered gives ids of a name.
func numbered(name string, n int) []string {
	all := make([]string, 0, n)
	for i := range n {
		all = append(all, fmt.Sprintf("%s-%d", name, i))
	}
	return all
}

func TestEachMessageHasItsEffectOnceHoweverOftenItComes(t *testing.T) {
	t.Parallel()
	if !hasVenue() {
		return
	}
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		v := venueOf(t)
		i := newInbox(t, db)
		name := uuid.NewString()
		send(t, v.connection, v.plain, "", numbered(name, 50)...)
		send(t, v.connection, v.plain, "", numbered(name, 50)...)
		count, stop := i.listen(t, servicebus.Receiver{URL: "servicebus:///" + v.plain, ConnectionString: secret.New(v.connection)}, once)
		count.wait(t, 100)
		stop()
		require.Equal(t, 50, i.effects(t))
		require.Equal(t, 50, count.of(servicebus.Handled))
		require.Equal(t, 50, count.of(servicebus.Duplicate))
	})
}

func TestMessagesOfASessionAreHandledInOrder(t *testing.T) {
	t.Parallel()
	if !hasVenue() {
		return
	}
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		v := venueOf(t)
		i := newInbox(t, db)
		names := []string{uuid.NewString(), uuid.NewString(), uuid.NewString()}
		want := map[string][]string{}
		for _, n := range names {
			want[n] = numbered(n, 20)
			send(t, v.connection, v.sessions, n, want[n]...)
		}
		var mu sync.Mutex
		got, failed := map[string][]string{}, map[string]bool{}
		count, _ := i.listen(t, servicebus.Receiver{URL: "servicebus:///" + v.sessions + "?sessions=true", ConnectionString: secret.New(v.connection), Concurrency: 2},
			func(ctx context.Context, tx *database.Tx, m event.Message) error {
				mu.Lock()
				defer mu.Unlock()
				if m.ID == m.Session+"-7" && !failed[m.Session] {
					failed[m.Session] = true
					return fmt.Errorf("not yet")
				}
				got[m.Session] = append(got[m.Session], m.ID)
				return once(ctx, tx, m)
			})
		count.wait(t, 63)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, want, got, "one that fails holds up those behind it")
		require.Equal(t, 3, count.of(servicebus.Abandoned))
	})
}
