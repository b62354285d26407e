package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// ticket is the input of a public operation that counts by what its body holds.
type ticket struct {
	Body struct {
		Ticket string `json:"ticket"`
	}
}

func (t ticket) Credential() string { return t.Body.Ticket }

// counted serves two operations that may be called twice a minute: one with its credential in the body, one in the header.
func counted(t *testing.T) *border {
	t.Helper()
	limit := ratelimit.NewLimits().Declare("tickets", ratelimit.PerMinute(2), "uses of one ticket")
	genuine := func(_ context.Context, credential string) (string, bool) {
		return "holder of " + credential, strings.HasPrefix(credential, "good")
	}
	rt := httpapi.NewRouter("Tickets", "Tickets for tests.", "1.0.0")
	httpapi.Handle(rt, httpapi.Op{Method: "POST", Path: "/body", ID: "body", Tag: "T", Summary: "S", Description: "D.", Access: authz.Public, Limit: limit, LimitKey: genuine},
		func(context.Context, ticket) (httpapi.NoContent, error) { return httpapi.NoContent{}, nil })
	httpapi.Handle(rt, httpapi.Op{Method: "POST", Path: "/header", ID: "header", Tag: "T", Summary: "S", Description: "D.", Access: authz.SignedIn, Limit: limit, LimitKey: genuine},
		func(context.Context, httpapi.Body[*newNote]) (httpapi.NoContent, error) {
			return httpapi.NoContent{}, nil
		})
	handler, err := rt.Serve(httpapi.Dependencies{
		Settings: &httpapi.Settings{MaxBody: 1 << 10, MaxHeader: 64 << 10, MaxConnections: 100}, Logger: slog.New(slog.DiscardHandler),
		Authenticator: fakeAuth{"good-one": {Account: account.NewID()}}, Limiter: ratelimit.NewMemory(clock.NewFake(time.Now()), 0),
	})
	require.NoError(t, err)
	b := &border{t: t, router: rt, server: httptest.NewServer(handler)}
	t.Cleanup(b.server.Close)
	return b
}

func TestAGenuineCredentialCountsOnItsOwnKey(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 2<<10)
	for name, spend := range map[string]func(b *border, body, token string) *reply{
		"in the body": func(b *border, body, token string) *reply {
			return b.send("POST", "/body", `{"ticket":"`+token+`"`+body+`}`)
		},
		"in the header": func(b *border, _, token string) *reply {
			return b.send("POST", "/header", "", "Authorization", "Bearer "+token)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := counted(t)
			for _, token := range []string{"good-one", "good-two", "bad-one"} { // a genuine one that is worth nothing counts on its own key, too
				for left := 1; left >= 0; left-- {
					r := spend(b, "", token)
					require.Equal(t, `"tickets";q=2;w=60`, r.Header.Get("RateLimit-Policy"))
					require.Contains(t, r.Header.Get("RateLimit"), map[int]string{1: "r=1", 0: "r=0"}[left], token)
				}
				spend(b, "", token).problem(http.StatusTooManyRequests, "RATE_LIMITED")
			}
			spend(b, "", "bad-two").problem(http.StatusTooManyRequests, "RATE_LIMITED") // on the same address as bad-one
		})
	}
	t.Run("what cannot be read counts on the address, before what is wrong with it is said", func(t *testing.T) {
		t.Parallel()
		b := counted(t)
		require.NotEmpty(t, b.send("POST", "/body", large).Header.Get("RateLimit"))
		require.NotEmpty(t, b.send("POST", "/body", "{", "Content-Type", "text/plain").Header.Get("RateLimit"))
		for _, body := range []string{large, "{", "", `{"ticket":1}`} {
			b.send("POST", "/body", body).problem(http.StatusTooManyRequests, "RATE_LIMITED")
		}
		require.Equal(t, http.StatusNoContent, b.send("POST", "/body", `{"ticket":"good"}`).StatusCode)
		require.Equal(t, []string{"#/other unknown_field"}, b.send("POST", "/body", `{"ticket":"good","other":1}`).faults())
		b.send("POST", "/body", `{"ticket":"good","other":1}`).problem(http.StatusTooManyRequests, "RATE_LIMITED")
	})
	t.Run("a header that is no token counts on the address", func(t *testing.T) {
		t.Parallel()
		b := counted(t)
		for _, header := range []string{"", "Basic good-one"} {
			b.send("POST", "/header", "", "Authorization", header).problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}
		b.send("POST", "/header", "").problem(http.StatusTooManyRequests, "RATE_LIMITED")
		b.send("POST", "/header", large, "Authorization", "Bearer good-one").problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
	})
}

func TestAKeyWithoutALimitOrACredentialDoesNotMount(t *testing.T) {
	t.Parallel()
	limit := ratelimit.NewLimits().Declare("tickets", ratelimit.PerMinute(2), "uses of one ticket")
	key := func(context.Context, string) (string, bool) { return "", false }
	op := httpapi.Op{Method: "POST", Path: "/x", ID: "x", Tag: "T", Summary: "S", Description: "D.", Access: authz.Public, LimitKey: key}
	require.Panics(t, func() {
		httpapi.Handle(httpapi.NewRouter("T", "T", "1"), op, func(context.Context, ticket) (httpapi.NoContent, error) { return httpapi.NoContent{}, nil })
	})
	op.Limit = limit
	require.Panics(t, func() {
		httpapi.Handle(httpapi.NewRouter("T", "T", "1"), op, func(context.Context, httpapi.Body[newNote]) (httpapi.NoContent, error) {
			return httpapi.NoContent{}, nil
		})
	})
}

func TestAnAccountLimitCountsWhatIsAboutToBeDone(t *testing.T) {
	t.Parallel()
	limit := ratelimit.NewLimits().Declare("secrets", ratelimit.PerMinute(2), "secrets told to one account")
	rt := httpapi.NewRouter("Secrets", "Secrets for tests.", "1.0.0")
	for _, path := range []string{"/first", "/second"} {
		httpapi.Handle(rt, httpapi.Op{Method: "POST", Path: path, ID: path[1:], Tag: "T", Summary: "S", Description: "D.", Access: authz.SignedIn, AccountLimit: limit},
			func(context.Context, httpapi.Body[newNote]) (httpapi.NoContent, error) {
				return httpapi.NoContent{}, nil
			})
	}
	ada, phone := account.NewID(), account.NewSessionID()
	handler, err := rt.Serve(httpapi.Dependencies{
		Settings: &httpapi.Settings{MaxBody: 1 << 10, MaxHeader: 64 << 10, MaxConnections: 100}, Logger: slog.New(slog.DiscardHandler),
		Authenticator: fakeAuth{"ada": {Account: ada}, "ada-elsewhere": {Account: ada, Session: phone}, "eve": {Account: account.NewID()}},
		Limiter:       ratelimit.NewMemory(clock.NewFake(time.Now()), 0),
	})
	require.NoError(t, err)
	b := &border{t: t, router: rt, server: httptest.NewServer(handler)}
	t.Cleanup(b.server.Close)
	const good, policy = `{"title":"x"}`, `"secrets";q=2;w=60`
	left := func(r *reply) string { return r.Header.Get("RateLimit-Policy") + " " + r.Header.Get("RateLimit") }

	for range 3 { // what is wrong with the input, or with the token, costs nothing
		r := b.send("POST", "/first", `{"title":1}`, "Authorization", "Bearer ada")
		r.problem(http.StatusBadRequest, "VALIDATION_ERROR")
		require.Contains(t, left(r), policy+` "secrets";r=2`)
		require.Contains(t, left(b.send("POST", "/first", strings.Repeat("x", 2<<10), "Authorization", "Bearer ada")), "r=2")
		require.Equal(t, policy+" ", left(b.send("POST", "/first", good, "Authorization", "Bearer forged")))
	}
	require.Contains(t, left(b.send("POST", "/first", good, "Authorization", "Bearer ada")), policy+` "secrets";r=1`)
	require.Contains(t, left(b.send("POST", "/second", good, "Authorization", "Bearer ada-elsewhere")), policy+` "secrets";r=0`)
	for _, path := range []string{"/first", "/second"} {
		r := b.send("POST", path, good, "Authorization", "Bearer ada")
		r.problem(http.StatusTooManyRequests, "RATE_LIMITED")
		require.NotEmpty(t, r.Header.Get("Retry-After"))
		b.send("POST", path, `{"title":1}`, "Authorization", "Bearer ada").problem(http.StatusBadRequest, "VALIDATION_ERROR")
	}
	require.Equal(t, http.StatusNoContent, b.send("POST", "/first", good, "Authorization", "Bearer eve").StatusCode)
	require.Equal(t, limit, rt.Operations()[0].Limit)
	op := rt.Document().Paths["/first"].Post
	require.Equal(t, "account", op.Extensions["x-ratelimit"].(map[string]any)["per"])
	require.Contains(t, op.Responses, "429")
}

func TestAnAccountLimitWithoutAnAccountDoesNotMount(t *testing.T) {
	t.Parallel()
	limit := ratelimit.NewLimits().Declare("secrets", ratelimit.PerMinute(2), "secrets told to one account")
	for _, op := range []httpapi.Op{{Access: authz.Public}, {Access: authz.SignedIn, Limit: limit}} {
		op.Method, op.Path, op.ID, op.Tag, op.Summary, op.Description, op.AccountLimit = "POST", "/x", "x", "T", "S", "D.", limit
		require.Panics(t, func() {
			httpapi.Handle(httpapi.NewRouter("T", "T", "1"), op, func(context.Context, struct{}) (httpapi.NoContent, error) { return httpapi.NoContent{}, nil })
		})
	}
}
