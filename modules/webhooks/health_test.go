package webhooks_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestAReceiverThatIsGoneIsAskedNoMoreAndTheAdministratorsAreTold(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		german := s.User(func(u *testkit.User) { u.Role = account.RoleAdmin })
		s.As(german).Patch("/users/me", `{"locale":"de"}`).Status(http.StatusOK)
		disabled := s.Admin()
		s.as.Patch("/users/"+disabled.ID.String(), `{"is_active":false}`).Status(http.StatusOK)
		s.WorkJobs()
		var back atomic.Bool
		rc := receive(t, func(w http.ResponseWriter, _ received) {
			if !back.Load() {
				w.WriteHeader(http.StatusGone)
			}
		})
		w := s.hook(rc.URL+"/private-path", deleted)
		for range 2 {
			s.as.Delete("/users/"+s.User().ID.String(), nil).Status(http.StatusNoContent)
		}
		s.WorkJobs()
		now := s.get(w)
		require.Equal(t, []any{false, "gone"}, []any{now.IsActive, *now.DisabledReason})
		require.WithinDuration(t, s.clock.Now(), *now.DisabledAt, time.Second)
		asked := len(rc.all())
		s.later(time.Hour)
		require.Len(t, rc.all(), asked)

		mail := s.LastMailTo(s.admin.Email)
		require.Equal(t, "A webhook is disabled", mail.Subject)
		require.Contains(t, mail.Text, "127.0.0.1")
		require.Contains(t, mail.Text, "410")
		require.Contains(t, mail.Text, w.ID)
		require.NotContains(t, mail.Text+mail.HTML, "private-path", "a URL can hold a secret")
		require.Equal(t, "Ein Webhook ist abgeschaltet", s.LastMailTo(german.Email).Subject)
		for _, m := range s.Mail() {
			require.False(t, m.To == disabled.Email && m.Subject == mail.Subject)
		}
		require.Contains(t, s.Logs.String(), "a webhook is disabled")

		back.Store(true)
		s.as.Patch(w.path(), `{"is_active":true}`).Status(http.StatusOK)
		require.Equal(t, []any{true, true, true}, []any{s.get(w).IsActive, s.get(w).DisabledAt == nil, s.get(w).DisabledReason == nil})
		s.later(time.Minute)
		delivered := map[string]bool{}
		for _, d := range s.log(w) {
			if d.Outcome == "delivered" {
				delivered[d.EventID] = true
			}
		}
		require.Len(t, delivered, 2, "it gets what it missed")
	})
}

func TestAWebhookThatTakesNothingForDaysIsDisabled(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		rc := receive(t, status(http.StatusServiceUnavailable))
		w := s.hook(rc.URL, registered)
		s.User()
		s.WorkJobs()
		since := s.get(w).FailingSince
		require.NotNil(t, since)
		for range 9 {
			s.later(12 * time.Hour)
			require.Equal(t, since, s.get(w).FailingSince)
		}
		require.True(t, s.get(w).IsActive)
		s.later(12 * time.Hour)
		now := s.get(w)
		require.Equal(t, []any{false, "failing"}, []any{now.IsActive, *now.DisabledReason})
		s.WorkJobs()
		mail := s.LastMailTo(s.admin.Email)
		require.Equal(t, "A webhook is disabled", mail.Subject)
		require.Contains(t, mail.Text, since.Format("2 January 2006 at 15:04"))
	})
}

func TestASuccessEndsATimeOfFailures(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		var ok atomic.Bool
		rc := receive(t, func(w http.ResponseWriter, _ received) {
			if !ok.Load() {
				w.WriteHeader(http.StatusBadGateway)
			}
		})
		w := s.hook(rc.URL, registered)
		tag := func() string { return s.as.Get(w.path()).Header.Get("ETag") }
		first := tag()
		s.User()
		s.WorkJobs()
		require.NotNil(t, s.get(w).FailingSince)
		require.NotEqual(t, first, tag(), "it shows")
		ok.Store(true)
		s.later(time.Minute)
		require.Nil(t, s.get(w).FailingSince)
		require.Equal(t, first, tag())
	})
}

// TestTwoFailuresFarApartAreNoOutage has one event that nobody takes, and another many days later.
func TestTwoFailuresFarApartAreNoOutage(t *testing.T) {
	t.Parallel()
	s := serve(t, testkit.SQLite(t), testkit.WithSetting("events.max_attempts", "1"))
	w := s.hook(receive(t, status(http.StatusBadRequest)).URL, registered)
	s.User()
	s.WorkJobs()
	first := *s.get(w).FailingSince
	s.later(6 * 24 * time.Hour)
	s.User()
	s.WorkJobs()
	now := s.get(w)
	require.True(t, now.IsActive)
	require.True(t, now.FailingSince.After(first))
}

// TestAPoisonEventIsSetAsideAndTheNextGoOn uses up the attempts of one.
func TestAPoisonEventIsSetAsideAndTheNextGoOn(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db, testkit.WithSetting("events.max_attempts", "2"))
		rc := receive(t, func(w http.ResponseWriter, r received) {
			if changed, ok := r.event.Data["changed"].([]any); !ok || len(changed) > 1 {
				w.WriteHeader(http.StatusUnprocessableEntity)
			}
		})
		u := s.User()
		w := s.hook(rc.URL, updated)
		s.As(u).Patch("/users/me", `{"full_name":"Ada King","locale":"de"}`).Status(http.StatusOK)
		s.As(u).Patch("/users/me", `{"full_name":"Ada Lovelace"}`).Status(http.StatusOK)
		s.WorkJobs()
		s.later(2 * time.Second)
		s.later(2 * time.Second)
		var outcomes []string
		for _, d := range s.log(w) {
			outcomes = append(outcomes, d.Outcome)
		}
		require.Equal(t, []string{"delivered", "failed", "failed"}, outcomes)
		dead, err := s.App.Stores.Events.ListDead(t.Context(), "webhooks."+w.ID, 10)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, "the receiver answered 422", dead[0].Fault)
	})
}

func TestTheLogIsKeptForAsLongAsTheSettingsSay(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db, testkit.WithSetting("webhooks.log_retention", "1h"))
		w := s.hook(receive(t, nil).URL, registered)
		s.as.Post(w.path()+"/test", nil).Status(http.StatusOK)
		s.clock.Advance(59 * time.Minute)
		s.LogIn(&s.admin)
		s.as = s.As(s.admin)
		s.as.Post(w.path()+"/test", nil).Status(http.StatusOK)
		prune(t, s)
		require.Len(t, s.log(w), 2)
		s.clock.Advance(2 * time.Minute)
		prune(t, s)
		require.Len(t, s.log(w), 1)
	})
}

// prune runs the job that comes by itself every hour.
func prune(t *testing.T, s *stage) {
	t.Helper()
	for _, m := range s.App.Modules {
		for _, p := range m.Schedules {
			if p.Args.Kind() == "webhooks.prune" {
				require.NoError(t, s.App.Stores.DB.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
					return s.App.Stores.Jobs.Enqueue(ctx, tx, p.Args)
				}))
			}
		}
	}
	s.WorkJobs()
}
