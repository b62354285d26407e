package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
}

func refreshBody(token string) map[string]string { return map[string]string{"refresh_token": token} }

func refresh(api *testkit.API, token string) tokens {
	var got tokens
	api.Post("/auth/refresh", refreshBody(token)).Status(http.StatusOK).JSON(&got)
	return got
}

func refuse(t *testing.T, api *testkit.API, token string) {
	t.Helper()
	r := api.Post("/auth/refresh", refreshBody(token))
	r.Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	require.Contains(t, r.Header.Get("WWW-Authenticate"), `Bearer error="invalid_token"`)
}

// endings gives the reasons of the account's ended sessions, the last to end first, as its owner sees them.
func endings(api *testkit.API) (reasons []string) {
	var list struct {
		Items []struct {
			Reason string `json:"ended_reason"`
		} `json:"items"`
	}
	api.Get("/users/me/sessions?ended=true").Status(http.StatusOK).JSON(&list)
	for _, s := range list.Items {
		reasons = append(reasons, s.Reason)
	}
	return reasons
}

func claim(t *testing.T, access, name string) any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(access, ".")[1])
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	return claims[name]
}

func TestRefreshGivesBothTokensAnew(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		u := api.User()
		clk.Advance(time.Hour) // long after the access token expired
		api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		var got map[string]any
		r := api.Post("/auth/refresh", refreshBody(u.RefreshToken)).Status(http.StatusOK).JSON(&got)
		require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
		require.Len(t, got, 4)
		require.Equal(t, "bearer", got["token_type"])
		require.InDelta(t, 900, got["expires_in"], 0)
		access, next := got["access_token"].(string), got["refresh_token"].(string)
		require.NotEqual(t, u.AccessToken, access)
		require.Regexp(t, `^gtr_[A-Za-z0-9_-]{96}$`, next)
		require.NotEqual(t, u.RefreshToken, next)
		require.Equal(t, claim(t, u.AccessToken, "sid"), claim(t, access, "sid"))
		require.Equal(t, u.ID.String(), claim(t, access, "sub"))
		require.Equal(t, []any{"user"}, claim(t, access, "roles"))
		api.WithToken(access).Get("/users/me").Status(http.StatusOK)
		refresh(api, next)
	})
}

func TestRefreshIsStrictAboutItsBodyAndNotAboutItsToken(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	u := api.User()
	for name, c := range map[string]struct {
		body   string
		faults []string
	}{
		"nothing":           {``, []string{"# required"}},
		"no member":         {`{}`, []string{"#/refresh_token required"}},
		"a wrong type":      {`{"refresh_token":1}`, []string{"#/refresh_token wrong_type"}},
		"null":              {`{"refresh_token":null}`, []string{"#/refresh_token wrong_type"}},
		"an unknown member": {`{"refresh_token":"x","grant_type":"refresh_token"}`, []string{"#/grant_type unknown_field"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api.For(t).Post("/auth/refresh", c.body).Invalid(c.faults...)
		})
	}
	for _, token := range []string{"", " ", "x", "gtr_", "gtm_" + u.RefreshToken[4:], u.AccessToken, u.RefreshToken + " ", u.RefreshToken[:50], strings.Repeat("x", 100_000), "\u0000"} {
		refuse(t, api, token)
	}
	refresh(api, u.RefreshToken)
}

func TestATokenThatIsUsedAgainGivesTheSameSuccessorOrEndsTheSession(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		u := api.User()
		first := refresh(api, u.RefreshToken)
		clk.Advance(9 * time.Second)
		again := refresh(api, u.RefreshToken)
		require.Equal(t, first.RefreshToken, again.RefreshToken)
		clk.Advance(2 * time.Second)
		refuse(t, api, u.RefreshToken)
		refuse(t, api, first.RefreshToken)
		for _, access := range []string{u.AccessToken, first.AccessToken, again.AccessToken} {
			api.WithToken(access).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}
		api.LogIn(&u)
		require.Equal(t, []string{"reuse_detected"}, endings(api.As(u)))
	})
}

// TestFiftyRefreshesAtOnceOverTwoInstances is what a browser with many tabs does, and then what a thief does.
func TestFiftyRefreshesAtOnceOverTwoInstances(t *testing.T) {
	t.Parallel()
	burst := func(t *testing.T, db testkit.Database) {
		t.Helper()
		for _, leeway := range []string{"10s", "0s"} {
			opts := []testkit.Option{testkit.WithSetting("auth.session.reuse_leeway", leeway), testkit.WithSetting("database.acquire_deadline", "30s")}
			one, two := testkit.Serve(t, db, opts...), testkit.Serve(t, db, opts...)
			u := one.User()
			var mu sync.Mutex
			statuses, successors, lastAccess := map[int]int{}, map[string]bool{}, ""
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					r := []*testkit.API{one, two}[i%2].Post("/auth/refresh", refreshBody(u.RefreshToken))
					var got tokens
					_ = json.Unmarshal(r.Body, &got) // a problem has none of the members
					mu.Lock()
					defer mu.Unlock()
					statuses[r.StatusCode]++
					if r.StatusCode == http.StatusOK {
						successors[got.RefreshToken], lastAccess = true, got.AccessToken
					}
				})
			}
			wg.Wait()
			require.Len(t, successors, 1)
			next := slices.Collect(maps.Keys(successors))[0]
			if leeway == "0s" {
				require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: 49}, statuses)
				refuse(t, one, next)
				two.LogIn(&u)
				require.Equal(t, []string{"reuse_detected"}, endings(two.As(u)))
				continue
			}
			require.Equal(t, map[int]int{http.StatusOK: 50}, statuses)
			var live struct {
				Items []any `json:"items"`
			}
			two.WithToken(lastAccess).Get("/users/me/sessions").Status(http.StatusOK).JSON(&live)
			require.Len(t, live.Items, 1)
			refresh(two, next)
		}
	}
	testkit.EachDB(t, burst)
	if os.Getenv(testkit.PgBouncerVariable) != "" {
		t.Run("pooled", func(t *testing.T) { t.Parallel(); burst(t, testkit.Pooled(t)) })
	}
}

func TestNoRefreshForAnAccountThatIsDisabledOrDeleted(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		for _, sql := range []string{`UPDATE users SET is_active = NOT is_active WHERE id = ?`, `DELETE FROM users WHERE id = ?`} {
			clk := clock.NewFake(time.Now())
			api := testkit.Serve(t, db, testkit.WithClock(clk))
			u := api.User()
			change(t, api, sql, u.ID)
			clk.Advance(time.Second)
			refuse(t, api, u.RefreshToken)
		}
	})
}

func TestARoleShowsInTheNextToken(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		u := api.User()
		change(t, api, `UPDATE users SET role = 'admin' WHERE id = ?`, u.ID)
		clk.Advance(time.Second)
		require.Equal(t, []any{"admin"}, claim(t, refresh(api, u.RefreshToken).AccessToken, "roles"))
	})
}

func TestLogoutEndsTheSessionHereAtOnceAndElsewhereWithinASecond(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		here, there := testkit.Serve(t, db, testkit.WithClock(clk)), testkit.Serve(t, db, testkit.WithClock(clk))
		u := here.User()
		other := u
		here.LogIn(&other)
		for _, api := range []*testkit.API{here, there} {
			api.As(u).Get("/users/me").Status(http.StatusOK)
		}
		r := here.As(u).Post("/auth/logout", nil).Status(http.StatusNoContent)
		require.Empty(t, r.Body)
		here.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		here.As(u).Post("/auth/logout", nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		refuse(t, there, u.RefreshToken)
		if db.Engine == database.SQLite { // where nobody is told, and nothing remembered for longer
			clk.Advance(time.Second)
		} else { // where it is told long before it would ask again
			require.Eventually(t, func() bool { return there.As(u).Get("/users/me").StatusCode == http.StatusUnauthorized }, 10*time.Second, time.Millisecond)
		}
		there.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		there.As(other).Get("/users/me").Status(http.StatusOK)
		require.Equal(t, []string{"logout"}, endings(there.As(other)))
	})
}

func TestLogoutTakesNoBodyOrOneThatSaysHowMuch(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u := api.User()
		other := u
		api.LogIn(&other)
		for body, faults := range map[string][]string{
			`{"all":1}`: {"#/all wrong_type"}, `{"every":true}`: {"#/every unknown_field"}, `[]`: {"# wrong_type"}, `{`: {"# invalid_format"},
		} {
			api.As(u).Post("/auth/logout", body).Invalid(faults...)
		}
		api.As(u).WithHeader("Content-Type", "text/plain").Post("/auth/logout", `{"all":true}`).Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		for _, body := range []any{nil, "", `{}`, `{"all":false}`} {
			api.As(u).Post("/auth/logout", body).Status(http.StatusNoContent)
			api.As(other).Get("/users/me").Status(http.StatusOK)
			api.LogIn(&u)
		}
		api.As(u).Post("/auth/logout", `{"all":true}`).Status(http.StatusNoContent)
		for _, token := range []string{u.AccessToken, other.AccessToken} {
			api.WithToken(token).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}
		refuse(t, api, other.RefreshToken)
		api.LogIn(&u)
		require.Equal(t, []string{"logout", "logout", "logout", "logout", "logout", "logout"}, endings(api.As(u)))
	})
}

func TestAHundredLogoutsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithSetting("database.acquire_deadline", "30s"))
		u := api.User()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				r := api.As(u).Post("/auth/logout", nil)
				if r.StatusCode != http.StatusNoContent && r.StatusCode != http.StatusUnauthorized {
					t.Errorf("%d: %s", r.StatusCode, r.Body)
				}
			})
		}
		wg.Wait()
		api.LogIn(&u)
		require.Equal(t, []string{"logout"}, endings(api.As(u)))
	})
}

// TestRefreshAndLogoutCountOnTheSessionOfAGenuineToken: an office behind one address is not logged out by its neighbours,
// and whoever sends what is none of our tokens counts on their address, whatever else is wrong with the request.
func TestRefreshAndLogoutCountOnTheSessionOfAGenuineToken(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithLimits(), testkit.WithClock(clk), testkit.WithSetting("ratelimit.login", "1000/1m"))
		u, neighbour := api.User(), api.User()
		large := strings.Repeat(" ", 2<<20)
		left := 20
		count := func(r *testkit.Response, limit string, status int) {
			t.Helper()
			left--
			r.Status(status)
			require.Equal(t, fmt.Sprintf(`"%s";q=20;w=60`, limit), r.Header.Get("RateLimit-Policy"))
			require.Regexp(t, fmt.Sprintf(`^"%s";r=%d;t=\d+$`, limit, left), r.Header.Get("RateLimit"))
		}
		for range 3 {
			count(api.Post("/auth/refresh", refreshBody("gtr_forged")), "refresh", http.StatusUnauthorized)
			count(api.Post("/auth/refresh", `{}`), "refresh", http.StatusBadRequest)
			count(api.Post("/auth/refresh", `{`), "refresh", http.StatusBadRequest)
			count(api.Post("/auth/refresh", nil), "refresh", http.StatusBadRequest)
			count(api.Post("/auth/refresh", large), "refresh", http.StatusRequestEntityTooLarge)
			count(api.WithHeader("Content-Type", "text/plain").Post("/auth/refresh", `{}`), "refresh", http.StatusUnsupportedMediaType)
		}
		count(api.Post("/auth/refresh", `{"refresh_token":1}`), "refresh", http.StatusBadRequest)
		count(api.Post("/auth/refresh", refreshBody("")), "refresh", http.StatusUnauthorized)
		for _, body := range []any{refreshBody("x"), `{`, nil, large} { // 429 comes before what else is wrong
			r := api.Post("/auth/refresh", body)
			r.Problem(http.StatusTooManyRequests, "RATE_LIMITED")
			require.NotEmpty(t, r.Header.Get("Retry-After"))
		}

		left = 20
		count(api.Post("/auth/refresh", refreshBody(u.RefreshToken)), "refresh", http.StatusOK)
		for range 19 { // used or ended, it is genuine
			count(api.Post("/auth/refresh", refreshBody(u.RefreshToken)), "refresh", http.StatusOK)
		}
		api.Post("/auth/refresh", refreshBody(u.RefreshToken)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		left = 20
		count(api.Post("/auth/refresh", refreshBody(neighbour.RefreshToken)), "refresh", http.StatusOK)
		count(api.Post("/auth/refresh", `{"refresh_token":"`+neighbour.RefreshToken+`","x":1}`), "refresh", http.StatusBadRequest)

		left = 20
		for range 10 {
			count(api.Post("/auth/logout", nil), "logout", http.StatusUnauthorized)
			count(api.WithToken("forged").Post("/auth/logout", nil), "logout", http.StatusUnauthorized)
		}
		api.Post("/auth/logout", nil).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		left = 20
		count(api.As(u).WithHeader("Content-Type", "text/plain").Post("/auth/logout", `{}`), "logout", http.StatusUnsupportedMediaType)
		count(api.As(u).Post("/auth/logout", large), "logout", http.StatusRequestEntityTooLarge)
		count(api.As(u).Post("/auth/logout", `[]`), "logout", http.StatusBadRequest)
		count(api.As(u).Post("/auth/logout", nil), "logout", http.StatusNoContent)
		for left > 0 { // ended, and then expired as well, it is genuine
			count(api.As(u).Post("/auth/logout", nil), "logout", http.StatusUnauthorized)
		}
		api.As(u).Post("/auth/logout", nil).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		clk.Advance(time.Hour)
		for range 20 {
			api.Post("/auth/logout", nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}
		left = 20
		count(api.As(u).Post("/auth/logout", nil), "logout", http.StatusUnauthorized)
		api.Post("/auth/logout", nil).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
	})
}

// TestARefreshThatNobodyWaitsForCanBeRepeated gives up on answers, as a phone in a tunnel does.
func TestARefreshThatNobodyWaitsForCanBeRepeated(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u := api.User()
		for i := range 20 {
			abandon(t, api, u.RefreshToken, time.Duration(i)*200*time.Microsecond)
			u.RefreshToken = refresh(api, u.RefreshToken).RefreshToken
		}
		require.Empty(t, endings(api.WithToken(refresh(api, u.RefreshToken).AccessToken)))
	})
}

// abandon sends a refresh and hangs up after a while, which the server sees as the end of what it reads. It returns when
// the server is done with it: a straggler that comes when its successor was used as well is a reuse, and ends the session.
func abandon(t *testing.T, api *testkit.API, token string, after time.Duration) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(api.URL, "http://"))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	body := `{"refresh_token":"` + token + `"}`
	_, err = fmt.Fprintf(conn, "POST /auth/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	require.NoError(t, err)
	<-time.After(after)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err)
}
