package webhooks_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestAWebhookIsMadeFoundChangedAndDeleted(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		r := s.as.Post("/webhooks", `{"url":"https://hooks.example.com/in?key=a","description":"billing","event_types":["`+registered+`"]}`).Status(http.StatusCreated)
		var w webhook
		r.JSON(&w)
		require.Equal(t, "/webhooks/"+w.ID, r.Header.Get("Location"))
		require.Equal(t, []any{"https://hooks.example.com/in?key=a", "billing", []string{registered}, true}, []any{w.URL, w.Description, w.EventTypes, w.IsActive})
		require.Regexp(t, `^whsec_[A-Za-z0-9+/]{43}=$`, w.Secret)

		found := s.as.Get(w.path()).Status(http.StatusOK)
		require.NotContains(t, string(found.Body), "secret\"")
		tag := found.Header.Get("ETag")
		require.Equal(t, r.Header.Get("ETag"), tag)
		s.as.WithHeader("If-None-Match", tag).Get(w.path()).Status(http.StatusNotModified)

		s.as.WithHeader("If-Match", `"x"`).Patch(w.path(), `{"description":"x"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		var changed webhook
		changing := s.as.WithHeader("If-Match", tag).WithHeader("Content-Type", "application/merge-patch+json").
			Patch(w.path(), `{"url":"https://example.org/","description":"","event_types":[],"is_active":false}`).Status(http.StatusOK)
		changing.JSON(&changed)
		require.Equal(t, []any{"https://example.org/", "", []string{}, false, "administrator"}, []any{changed.URL, changed.Description, changed.EventTypes, changed.IsActive, *changed.DisabledReason})
		require.NotNil(t, changed.DisabledAt)
		require.NotEqual(t, tag, changing.Header.Get("ETag"))
		same := s.as.Patch(w.path(), `{"description":"","is_active":false}`).Status(http.StatusOK)
		require.Equal(t, changing.Header.Get("ETag"), same.Header.Get("ETag"), "what changes nothing is no change")
		require.Equal(t, changed, s.get(w))

		s.as.Delete(w.path(), nil).Status(http.StatusNoContent)
		for _, gone := range []*testkit.Response{
			s.as.Get(w.path()), s.as.Delete(w.path(), nil), s.as.Patch(w.path(), `{"description":"x"}`), s.as.Post(w.path()+"/secret", nil),
			s.as.Post(w.path()+"/test", nil), s.as.Get(w.path() + "/deliveries"), s.as.Post(w.path()+"/deliveries/"+w.ID+"/redeliver", nil),
		} {
			gone.Problem(http.StatusNotFound, "NOT_FOUND")
		}
	})
}

func TestAllWebhooksAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		var made []string
		for i := range 5 {
			made = append(made, s.hook(fmt.Sprintf("https://example.com/%d", i)).ID)
		}
		slices.Reverse(made)
		var found []string
		for next := "/webhooks?limit=2"; next != ""; {
			r := s.as.Get(next).Status(http.StatusOK)
			var p pageOf[webhook]
			r.JSON(&p)
			for _, w := range p.Items {
				require.Empty(t, w.Secret)
				found = append(found, w.ID)
			}
			next = ""
			if p.NextCursor != nil {
				next = "/webhooks?limit=2&cursor=" + *p.NextCursor
				require.Contains(t, r.Header.Get("Link"), "/webhooks?")
			}
		}
		require.Equal(t, made, found)
		s.as.Get("/webhooks?cursor=forged").Invalid("cursor invalid_format")
		s.as.Get("/webhooks?limit=101").Invalid("limit out_of_range")
		s.as.Get("/webhooks/" + made[0] + "/deliveries?cursor=forged").Invalid("cursor invalid_format")
	})
}

func TestWhatIsNoWebhookIsRefusedWithEveryFault(t *testing.T) {
	t.Parallel()
	s := serve(t, testkit.SQLite(t), testkit.WithSetting("egress.allow", ""), testkit.WithSetting("egress.plain_http", "false"))
	w := s.hook("https://example.com/")
	for body, faults := range map[string][]string{
		`{}`:                                {"#/url required"},
		`{"url":"http://example.com/"}`:     {"#/url not_allowed"},
		`{"url":"https://127.0.0.1:8443/"}`: {"#/url not_allowed"},
		`{"url":"https://[::ffff:169.254.169.254]/"}`:                                  {"#/url not_allowed"},
		`{"url":"https://localhost/"}`:                                                 {"#/url not_allowed"},
		`{"url":"https://ada:pw@example.com/"}`:                                        {"#/url not_allowed"},
		`{"url":"https://2130706433/"}`:                                                {"#/url invalid_format"},
		`{"url":""}`:                                                                   {"#/url invalid_format"},
		`{"url":"https://example.com/` + strings.Repeat("a", 2048) + `"}`:              {"#/url too_long"},
		`{"url":1,"description":"` + strings.Repeat("a", 201) + `","event_types":"x"}`: {"#/url wrong_type", "#/description too_long", "#/event_types wrong_type"},
		`{"url":"https://10.0.0.1/","description":"a\u0007","event_types":["` + registered + `","user.registered.v1","` + registered + `"]}`: {"#/url not_allowed", "#/description invalid_format", "#/event_types/1 not_allowed", "#/event_types/2 duplicate"},
		`{"url":"https://example.com/","secret":"whsec_x"}`: {"#/secret unknown_field"},
	} {
		s.as.Post("/webhooks", body).Invalid(faults...)
		if faults[0] != "#/url required" {
			s.as.Patch(w.path(), body).Invalid(faults...)
		}
	}
	s.as.Patch(w.path(), `{}`).Invalid("# required")
	s.as.Patch(w.path(), `{"url":null,"is_active":null}`).Invalid("#/url wrong_type", "#/is_active wrong_type")
	require.NotContains(t, string(s.as.Post("/webhooks", `{"url":"https://10.9.8.7/"}`).Body), "10.9.8.7")
}

func TestAHundredWebhooksMayBeActive(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		w := s.hook("https://example.com/0")
		for i := 1; i < 100; i++ {
			s.hook(fmt.Sprintf("https://example.com/%d", i))
		}
		one := map[string]string{"url": "https://example.com/100"}
		require.Equal(t, "too_many_webhooks", s.as.Post("/webhooks", one).Problem(http.StatusConflict, "CONFLICT").Reason)
		s.as.Patch(w.path(), `{"is_active":false}`).Status(http.StatusOK)
		s.as.Post("/webhooks", one).Status(http.StatusCreated)
		require.Equal(t, "too_many_webhooks", s.as.Patch(w.path(), `{"is_active":true}`).Problem(http.StatusConflict, "CONFLICT").Reason)
		require.False(t, s.get(w).IsActive)
	})
}

func TestASecretIsShownOnceAndSealedInTheDatabase(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		s := serve(t, db)
		rc := receive(t, nil)
		w := s.hook(rc.URL)
		var next struct {
			Secret string `json:"secret"`
		}
		s.as.Post(w.path()+"/secret", nil).Status(http.StatusOK).JSON(&next)
		require.NotEqual(t, w.Secret, next.Secret)
		s.as.Post(w.path()+"/test", nil).Status(http.StatusOK)
		for _, path := range []string{w.path(), "/webhooks", w.path() + "/deliveries"} {
			require.NotContains(t, string(s.as.Get(path).Status(http.StatusOK).Body), "whsec_")
		}
		var sealed, previous []byte
		require.NoError(t, s.App.Stores.DB.QueryRow(t.Context(), `SELECT secret, previous_secret FROM webhooks WHERE id = ?`, w.ID).Scan(&sealed, &previous))
		for _, secret := range []string{w.Secret, next.Secret} {
			key := keyOf(t, secret)
			require.NotContains(t, string(sealed)+string(previous), string(key))
			require.NotContains(t, s.Logs.String(), strings.TrimPrefix(secret, "whsec_"))
		}
		require.NotContains(t, s.Logs.String(), rc.URL)

		// A row that got another's secret is of no use to whoever put it there.
		other := s.hook(rc.URL)
		require.NoError(t, s.App.Stores.DB.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE webhooks SET secret = ? WHERE id = ?`, sealed, other.ID)
			return err
		}))
		s.as.Post(other.path()+"/test", nil).Problem(http.StatusInternalServerError, "INTERNAL_ERROR")
	})
}
