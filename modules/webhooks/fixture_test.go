package webhooks_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

// webhook is a webhook as the API shows it.
type webhook struct {
	ID             string     `json:"id"`
	URL            string     `json:"url"`
	Description    string     `json:"description"`
	EventTypes     []string   `json:"event_types"`
	IsActive       bool       `json:"is_active"`
	DisabledAt     *time.Time `json:"disabled_at"`
	DisabledReason *string    `json:"disabled_reason"`
	FailingSince   *time.Time `json:"failing_since"`
	PreviousUntil  *time.Time `json:"previous_secret_expires_at"`
	Secret         string     `json:"secret"`
}

func (w webhook) path() string { return "/webhooks/" + w.ID }

// delivery is an attempt as the API shows it.
type delivery struct {
	ID          string    `json:"id"`
	EventID     string    `json:"event_id"`
	EventType   string    `json:"event_type"`
	AttemptedAt time.Time `json:"attempted_at"`
	Outcome     string    `json:"outcome"`
	Status      *int      `json:"status"`
	DurationMS  int64     `json:"duration_ms"`
	Error       *string   `json:"error"`
}

type pageOf[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// toldEvent is the body of a delivery.
type toldEvent struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Subject     string         `json:"subject"`
	Data        map[string]any `json:"data"`
}

// received is a request as it came in.
type received struct {
	event  toldEvent
	body   []byte
	header http.Header
}

// receiver is somebody's server.
type receiver struct {
	*httptest.Server

	t   *testing.T
	mu  sync.Mutex
	got []received
}

// receive serves at a URL that the settings of serve allow. answer, unless it is nil, says what to answer; else it is 204.
func receive(t *testing.T, answer func(w http.ResponseWriter, r received)) *receiver {
	t.Helper()
	rc := &receiver{t: t}
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		in := received{body: body, header: r.Header}
		if err != nil || r.Method != http.MethodPost || json.Unmarshal(body, &in.event) != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		rc.mu.Lock()
		rc.got = append(rc.got, in)
		rc.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, in)
	}))
	t.Cleanup(rc.Close)
	return rc
}

// status answers with a status, whatever comes.
func status(code int) func(http.ResponseWriter, received) {
	return func(w http.ResponseWriter, _ received) { w.WriteHeader(code) }
}

// all gives what came in so far.
func (rc *receiver) all() []received {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return append([]received(nil), rc.got...)
}

// types lists what came in so far by type, short.
func (rc *receiver) types() []string {
	list := []string{}
	for _, r := range rc.all() {
		list = append(list, r.event.Type)
	}
	return list
}

const registered, loggedIn, updated, deleted = "gatehouse.user.registered.v1", "gatehouse.user.logged_in.v1", "gatehouse.user.updated.v1", "gatehouse.user.deleted.v1"

// stage is a service whose webhooks may go to this machine's receivers.
type stage struct {
	*testkit.API

	t     *testing.T
	clock *clock.Fake
	admin testkit.User
	as    *testkit.API // the administrator
}

func serve(t *testing.T, db testkit.Database, opts ...testkit.Option) *stage {
	t.Helper()
	clk := clock.NewFake(time.Now())
	api := testkit.Serve(t, db, append([]testkit.Option{
		testkit.WithClock(clk), testkit.WithSetting("egress.allow", "127.0.0.1/32"), testkit.WithSetting("egress.plain_http", "true"),
	}, opts...)...)
	s := &stage{API: api, t: t, clock: clk, admin: api.Admin()}
	s.as = api.As(s.admin)
	first := s.hook("https://example.com/", deleted) // events that nobody is there for have no place in the order yet
	api.WorkJobs()
	s.as.Delete(first.path(), nil).Status(http.StatusNoContent)
	return s
}

// hook makes a webhook for the types, or for all.
func (s *stage) hook(url string, types ...string) (w webhook) {
	s.t.Helper()
	s.as.Post("/webhooks", map[string]any{"url": url, "event_types": append([]string{}, types...)}).Status(http.StatusCreated).JSON(&w)
	return w
}

// get reads a webhook.
func (s *stage) get(w webhook) (now webhook) {
	s.t.Helper()
	s.as.Get(w.path()).Status(http.StatusOK).JSON(&now)
	return now
}

// log reads a webhook's newest attempts.
func (s *stage) log(w webhook) []delivery {
	s.t.Helper()
	var p pageOf[delivery]
	s.as.Get(w.path() + "/deliveries?limit=100").Status(http.StatusOK).JSON(&p)
	return p.Items
}

// rename has something told about a user.
func (s *stage) rename(u testkit.User, name string) {
	s.t.Helper()
	s.as.Patch("/users/"+u.ID.String(), map[string]string{"full_name": name}).Status(http.StatusOK)
}

// later moves the clock, beyond the life of the administrator's token if need be, and works what is due then.
func (s *stage) later(d time.Duration) {
	s.t.Helper()
	s.clock.Advance(d)
	s.WorkJobs()
	s.LogIn(&s.admin)
	s.as = s.As(s.admin)
}

// lookup answers as a resolver does.
type lookup func(host string) []netip.Addr

// LookupNetIP implements egress.Resolver.
func (l lookup) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return l(host), nil
}
