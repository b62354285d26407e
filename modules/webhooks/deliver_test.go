package webhooks_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/internal/loopback"
	"github.com/gatehouse/gatehouse/testkit"
)

func keyOf(t *testing.T, secret string) []byte {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	require.NoError(t, err)
	require.Len(t, key, 32)
	return key
}

// verifies says whether the public library of Standard Webhooks takes a delivery for genuine.
func verifies(t *testing.T, secret string, r received) bool {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return wh.VerifyIgnoringTimestamp(r.body, r.header) == nil
}

func TestADeliveryVerifiesWithThePublicLibrary(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		rc := receive(t, nil)
		w := s.hook(rc.URL+"/in?key=a", registered)
		u := s.User()
		s.WorkJobs()
		got := rc.all()
		require.Len(t, got, 1)
		first := got[0]
		require.Equal(t, []any{"1.0", registered, u.ID.String(), u.Email}, []any{first.event.SpecVersion, first.event.Type, first.event.Subject, first.event.Data["email"]})
		require.Equal(t, first.event.ID, first.header.Get("Webhook-Id"))
		require.Equal(t, "application/cloudevents+json; charset=utf-8", first.header.Get("Content-Type"))
		require.Equal(t, fmt.Sprint(s.clock.Now().Unix()), first.header.Get("Webhook-Timestamp"))
		wh, err := standardwebhooks.NewWebhook(w.Secret)
		require.NoError(t, err)
		require.NoError(t, wh.Verify(first.body, first.header), "its time is now")
		changed := first
		changed.body = append(slices.Clone(first.body), ' ')
		require.False(t, verifies(t, w.Secret, changed))

		var next struct {
			Secret            string    `json:"secret"`
			PreviousExpiresAt time.Time `json:"previous_expires_at"`
		}
		s.as.Post(w.path()+"/secret", nil).Status(http.StatusOK).JSON(&next)
		require.WithinDuration(t, s.clock.Now().Add(24*time.Hour), next.PreviousExpiresAt, time.Millisecond)
		require.Equal(t, next.PreviousExpiresAt, *s.get(w).PreviousUntil)
		s.User()
		s.WorkJobs()
		both := rc.all()[1]
		require.Len(t, strings.Fields(both.header.Get("Webhook-Signature")), 2)
		require.True(t, verifies(t, w.Secret, both) && verifies(t, next.Secret, both), "with either secret")

		s.later(24 * time.Hour)
		s.User()
		s.WorkJobs()
		late := rc.all()[2]
		require.True(t, verifies(t, next.Secret, late))
		require.False(t, verifies(t, w.Secret, late), "the secret of before has died")
	})
}

func TestAWebhookGetsTheTypesThatItAsksFor(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		all, some, none := receive(t, nil), receive(t, nil), receive(t, nil)
		s.hook(all.URL)
		chosen := s.hook(some.URL, registered, updated)
		off := s.hook(none.URL)
		s.as.Patch(off.path(), `{"is_active":false}`).Status(http.StatusOK)
		u := s.User()
		s.rename(u, "Ada King")
		s.WorkJobs()
		require.ElementsMatch(t, []string{registered, loggedIn, updated}, all.types())
		require.Equal(t, []string{registered, updated}, some.types(), "in the order of one user")
		require.Empty(t, none.all())

		s.as.Patch(chosen.path(), map[string]any{"event_types": []string{loggedIn}}).Status(http.StatusOK)
		s.User()
		s.WorkJobs()
		require.Equal(t, []string{registered, updated, loggedIn}, some.types())
	})
}

func TestWhatFailsComesAgainInTheOrderOfItsUserAndHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		var broken atomic.Pointer[string]
		rc := receive(t, func(w http.ResponseWriter, r received) {
			if id := broken.Load(); id != nil && r.event.Subject == *id {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		u, other := s.User(), s.User()
		w := s.hook(rc.URL, updated)
		broken.Store(new(u.ID.String()))
		for _, name := range []string{"One", "Two"} {
			s.rename(u, name)
			s.rename(other, name)
		}
		s.WorkJobs()
		count := map[string]int{}
		for _, r := range rc.all() {
			count[r.event.Subject]++
		}
		require.Equal(t, map[string]int{u.ID.String(): 1, other.ID.String(): 2}, count, "the later one waits, that of another user does not")
		require.Nil(t, s.get(w).FailingSince, "it took something")

		broken.Store(nil)
		s.later(10 * time.Second)
		var ids []string
		for _, r := range rc.all() {
			if r.event.Subject == u.ID.String() {
				ids = append(ids, r.event.ID)
			}
		}
		require.Len(t, ids, 3)
		require.Equal(t, ids[0], ids[1], "the same id again")
		require.NotEqual(t, ids[1], ids[2])
		log := s.log(w)
		require.Len(t, log, 5)
		failed := slices.IndexFunc(log, func(d delivery) bool { return d.Outcome == "failed" })
		require.Equal(t, []any{500, "the receiver answered 500", ids[0], updated}, []any{*log[failed].Status, *log[failed].Error, log[failed].EventID, log[failed].EventType})
	})
}

func TestAReceiverThatAsksForTimeGetsIt(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		var ready atomic.Bool
		rc := receive(t, func(w http.ResponseWriter, _ received) {
			if !ready.Load() {
				w.Header().Set("Retry-After", "120")
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})
		w := s.hook(rc.URL, registered)
		s.User()
		s.WorkJobs()
		ready.Store(true)
		s.later(119 * time.Second)
		require.Len(t, rc.all(), 1)
		s.later(2 * time.Second)
		require.Len(t, rc.all(), 2)
		require.Equal(t, "the receiver answered 429", *s.log(w)[1].Error)
	})
}

func TestWhatIsNoAnswerOfTheReceiversIsAFailureThatSaysWhy(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		var inner atomic.Int64
		private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inner.Add(1) }))
		t.Cleanup(private.Close)
		nobody, err := loopback.FreePort(t.Context())
		require.NoError(t, err)
		for name, c := range map[string]struct {
			url   string
			error string
		}{
			"a redirect": {receive(t, func(w http.ResponseWriter, _ received) {
				w.Header().Set("Location", private.URL)
				w.WriteHeader(http.StatusTemporaryRedirect)
			}).URL, "the receiver answered 307, a redirect, which is not followed"},
			"closed":      {fmt.Sprintf("http://127.0.0.1:%d/", nobody), "the host refused the connection"},
			"broken":      {receive(t, func(http.ResponseWriter, received) { panic(http.ErrAbortHandler) }).URL, "the connection broke before the answer was there"},
			"not allowed": {receive(t, status(http.StatusForbidden)).URL, "the receiver answered 403"},
		} {
			w := s.hook(c.url, registered)
			s.User()
			s.WorkJobs()
			log := s.log(w)
			require.NotEmpty(t, log, name)
			require.Equal(t, c.error, *log[0].Error, name)
			require.NotNil(t, s.get(w).FailingSince, name)
			var tested delivery
			s.as.Post(w.path()+"/test", nil).Status(http.StatusOK).JSON(&tested)
			require.Equal(t, []any{"failed", c.error}, []any{tested.Outcome, *tested.Error}, name)
			s.as.Delete(w.path(), nil).Status(http.StatusNoContent)
		}
		require.Zero(t, inner.Load())
	})
}

// TestStatement23AWebhookWhoseNameTurnsInwardsReachesNobody has a name that is public when the webhook is made and leads to
// this machine when it is used.
func TestStatement23AWebhookWhoseNameTurnsInwardsReachesNobody(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		rc := receive(t, nil)
		var looked atomic.Int64
		at := [...]string{"127.0.0.1", "127.0.0.2"} // allowed, and not
		s := serve(t, db, testkit.WithEgress(egress.Options{Resolver: lookup(func(string) []netip.Addr {
			return []netip.Addr{netip.MustParseAddr(at[min(looked.Add(1), 2)-1])}
		})}))
		w := s.hook(strings.Replace(rc.URL, "127.0.0.1", "hooks.example.com", 1), registered)
		s.User()
		s.WorkJobs()
		require.Len(t, rc.all(), 1)
		rc.CloseClientConnections()
		s.User()
		s.WorkJobs()
		require.Len(t, rc.all(), 1)
		require.Equal(t, "refused by the guard: the host leads to an address that is not public", *s.log(w)[0].Error)
		require.EqualValues(t, 2, looked.Load())
	})
}

func TestATestIsDeliveredAtOnceAndChangesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		rc := receive(t, nil)
		w := s.hook(rc.URL, registered)
		s.as.Patch(w.path(), `{"is_active":false}`).Status(http.StatusOK)
		before := s.get(w)
		var d delivery
		s.as.Post(w.path()+"/test", nil).Status(http.StatusOK).JSON(&d)
		require.Equal(t, []any{"delivered", 204, "gatehouse.webhook.tested.v1"}, []any{d.Outcome, *d.Status, d.EventType})
		require.Nil(t, d.Error)
		got := rc.all()
		require.Len(t, got, 1)
		require.True(t, verifies(t, w.Secret, got[0]))
		require.Equal(t, []any{d.EventID, s.admin.ID.String(), map[string]any{"webhook_id": w.ID}}, []any{got[0].event.ID, got[0].event.Subject, got[0].event.Data})
		require.Equal(t, before, s.get(w))
		require.Equal(t, []delivery{d}, s.log(w))
	})
}

func TestAnEventIsDeliveredAgainOnDemand(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		rc := receive(t, nil)
		w := s.hook(rc.URL, registered)
		s.User()
		s.WorkJobs()
		again := w.path() + "/deliveries/" + s.log(w)[0].ID + "/redeliver"
		s.as.Post(again, nil).Status(http.StatusAccepted)
		s.WorkJobs()
		got := rc.all()
		require.Len(t, got, 2)
		require.Equal(t, got[0].event, got[1].event)
		require.Len(t, s.log(w), 2)

		other := s.hook(rc.URL, updated)
		s.as.Post(other.path()+"/deliveries/"+s.log(w)[0].ID+"/redeliver", nil).Problem(http.StatusNotFound, "NOT_FOUND")
		var tested delivery
		s.as.Post(w.path()+"/test", nil).Status(http.StatusOK).JSON(&tested)
		require.Equal(t, "event_not_kept", s.as.Post(w.path()+"/deliveries/"+tested.ID+"/redeliver", nil).Problem(http.StatusConflict, "CONFLICT").Reason)
		s.as.Patch(w.path(), `{"is_active":false}`).Status(http.StatusOK)
		require.Equal(t, "webhook_inactive", s.as.Post(again, nil).Problem(http.StatusConflict, "CONFLICT").Reason)
	})
}

// TestASlowReceiverHoldsUpNoOther has one that does not answer while the other gets everything.
func TestASlowReceiverHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db, testkit.WithWorker(), testkit.WithClock(clock.System{}))
		held, came := make(chan struct{}), make(chan struct{}, 100)
		slow := receive(t, func(http.ResponseWriter, received) { <-held })
		t.Cleanup(func() { close(held) })
		quick := receive(t, func(http.ResponseWriter, received) { came <- struct{}{} })
		s.hook(slow.URL, registered)
		s.hook(quick.URL, registered)
		for range 3 {
			s.User()
		}
		for range 3 {
			select {
			case <-came:
			case <-time.After(30 * time.Second):
				t.Fatal("the quick one waits for the slow one")
			}
		}
	})
}
