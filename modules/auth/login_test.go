package auth_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/testkit"
)

func credentials(email, password string) map[string]any {
	return map[string]any{"email": email, "password": password}
}

func TestLoginGivesAPairOfTokens(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u := api.User()
		var got map[string]any
		api.Post("/auth/login", credentials(u.Email, u.Password)).Status(http.StatusOK).JSON(&got)
		require.Equal(t, "bearer", got["token_type"])
		require.EqualValues(t, 900, got["expires_in"])
		require.Regexp(t, `^gtr_[A-Za-z0-9_-]+$`, got["refresh_token"])
		require.Len(t, got, 4)
		var me map[string]any
		api.WithToken(got["access_token"].(string)).Get("/users/me").Status(http.StatusOK).JSON(&me)
		require.Equal(t, u.ID.String(), me["id"])
	})
}

func TestLoginAnswersEveryWrongPairAlike(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, disabled, invited := api.User(), api.User(), api.User()
		change(t, api, `UPDATE users SET is_active = ? WHERE id = ?`, false, disabled.ID)
		change(t, api, `UPDATE users SET password_hash = NULL WHERE id = ?`, invited.ID)
		var first string
		for name, c := range map[string]map[string]any{
			"wrong password":   credentials(u.Email, "Not-The-Password-1"),
			"unknown account":  credentials("nobody@example.com", u.Password),
			"disabled account": credentials(disabled.Email, disabled.Password),
			"no password":      credentials(invited.Email, invited.Password),
			"not a password":   credentials(u.Email, "\x07"),
		} {
			p := api.WithHeader("X-Request-ID", "same").Post("/auth/login", c).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			text := fmt.Sprintf("%+v", p)
			if first == "" {
				first = text
			}
			require.Equal(t, first, text, name)
		}
	})
}

func TestLoginValidatesTheAddressAndOnlyThePresenceOfThePassword(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	for name, c := range map[string]struct {
		body   string
		faults []string
	}{
		"nothing":            {`{}`, []string{"#/email required", "#/password required"}},
		"an empty password":  {`{"email":"a@example.com","password":""}`, []string{"#/password required"}},
		"no address":         {`{"email":"a","password":"x"}`, []string{"#/email invalid_format"}},
		"an unknown member":  {`{"email":"a@example.com","password":"x","otp":"1"}`, []string{"#/otp unknown_field"}},
		"a wrong type":       {`{"email":"a@example.com","password":1}`, []string{"#/password wrong_type"}},
		"two wrong at once":  {`{"email":"a","password":1}`, []string{"#/email invalid_format", "#/password wrong_type"}},
		"a broken character": {"{\"email\":\"a@example.com\",\"password\":\"\xff\"}", []string{"#/password invalid_format"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api.For(t).Post("/auth/login", c.body).Invalid(c.faults...)
		})
	}
	api.Post("/auth/login", credentials("a@example.com", "x")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
}

func TestLoginRenewsAHashWeakerThanTodays(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithPasswordCost())
		u := api.User()
		weak := password.NewHasher(password.Settings{Memory: 8 << 20, Time: 1, Parallel: 1, Permits: 1, QueueDeadline: time.Minute})
		hash, err := weak.Hash(t.Context(), secret.New(u.Password))
		require.NoError(t, err)
		change(t, api, `UPDATE users SET password_hash = ? WHERE id = ?`, hash, u.ID)
		api.LogIn(&u)
		requireRenewed(t, api, u)
		api.LogIn(&u)
	})
}

// requireRenewed wants today's costs in the hash of an account whose hash was weaker.
func requireRenewed(t *testing.T, api *testkit.API, u testkit.User) {
	t.Helper()
	var now string
	require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT password_hash FROM users WHERE id = ?`, u.ID).Scan(&now))
	require.Contains(t, now, "$argon2id$v=19$m=19456,t=2,p=1$")
}

// TestLoginsAtOnceMayAllRenewAHash: the first to renew it takes nobody's right password for a wrong one.
func TestLoginsAtOnceMayAllRenewAHash(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithPasswordCost())
		u := api.User()
		weak := password.NewHasher(password.Settings{Memory: 8 << 20, Time: 1, Parallel: 1, Permits: 1, QueueDeadline: time.Minute})
		hash, err := weak.Hash(t.Context(), secret.New(u.Password))
		require.NoError(t, err)
		change(t, api, `UPDATE users SET password_hash = ? WHERE id = ?`, hash, u.ID)
		answers := make(chan *testkit.Response, 6)
		for range cap(answers) {
			go func() { answers <- api.Post("/auth/login", credentials(u.Email, u.Password)) }()
		}
		for range cap(answers) {
			(<-answers).Status(http.StatusOK)
		}
		requireRenewed(t, api, u)
		api.Post("/auth/login", credentials(u.Email, "x")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
	})
}

func TestFailedLoginsSlowDownAnAccountHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		api := testkit.Serve(t, db, attackable(clk)...)
		u := api.WithHeader("X-Forwarded-For", "192.0.2.1").User(func(u *testkit.User) { u.Email = "Ada@example.com" })
		other := api.WithHeader("X-Forwarded-For", "192.0.2.1").User()
		stranger := api.WithHeader("X-Forwarded-For", "198.51.100.7")
		for account, spellings := range map[string][]string{
			"known":   {"ada@example.com", "ADA@EXAMPLE.COM", "Ada@example.com"},
			"unknown": {"nobody@example.com", "NOBODY@example.com"},
		} {
			for i := range 10 {
				stranger.Post("/auth/login", credentials(spellings[i%len(spellings)], "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			}
			waits := []int{refusedFor(t, stranger, spellings[0])}
			for range 3 { // each further failure doubles the wait
				clk.Advance(time.Duration(waits[len(waits)-1]) * time.Second)
				stranger.Post("/auth/login", credentials(spellings[0], "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
				waits = append(waits, refusedFor(t, stranger, spellings[0]))
			}
			require.Equal(t, []int{30, 60, 120, 240}, waits, account)
		}
		// Not even the right password helps a stranger, while the owner at a known address and other accounts go on.
		stranger.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		api.WithHeader("X-Forwarded-For", "192.0.2.1").Post("/auth/login", credentials(u.Email, u.Password)).Status(http.StatusOK)
		stranger.Post("/auth/login", credentials(other.Email, other.Password)).Status(http.StatusOK)
		// Another process on the same database knows it too.
		again := testkit.Serve(t, db, attackable(clk)...).WithHeader("X-Forwarded-For", "203.0.113.9")
		again.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		// In the end it is forgotten.
		clk.Advance(2 * time.Hour)
		again.Post("/auth/login", credentials(u.Email, u.Password)).Status(http.StatusOK)
	})
}

func TestAKnownAddressHasABudgetOfItsOwn(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		api := testkit.Serve(t, db, attackable(clk)...)
		home := api.WithHeader("X-Forwarded-For", "2001:db8:1:2::1")
		neighbour := api.WithHeader("X-Forwarded-For", "2001:db8:1:2:ffff::9") // the same /64
		u := home.User()
		for range 10 {
			neighbour.Post("/auth/login", credentials(u.Email, "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		home.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		away := api.WithHeader("X-Forwarded-For", "198.51.100.7")
		away.Post("/auth/login", credentials(u.Email, u.Password)).Status(http.StatusOK)
		clk.Advance(31 * 24 * time.Hour) // what was known is a stranger again
		for range 10 {
			home.Post("/auth/login", credentials(u.Email, "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		away.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
	})
}

func TestAHundredGuessesAtOnceAreTen(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(attackable(clock.System{}), testkit.WithSetting("password.queue_deadline", "1m"), testkit.WithSetting("database.acquire_deadline", "1m"))...)
		u := api.WithHeader("X-Forwarded-For", "192.0.2.1").User()
		var mu sync.Mutex
		statuses := map[int]int{}
		var wg sync.WaitGroup
		for i := range 100 {
			from := api.WithHeader("X-Forwarded-For", "198.51.100."+strconv.Itoa(i))
			wg.Go(func() {
				r := from.Post("/auth/login", credentials(u.Email, "Wrong-Password-1"))
				mu.Lock()
				defer mu.Unlock()
				statuses[r.StatusCode]++
			})
		}
		wg.Wait()
		require.Equal(t, map[int]int{http.StatusBadRequest: 10, http.StatusTooManyRequests: 90}, statuses)
	})
}

func TestAnUnansweredLoginIsNotCountedAsFailed(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), append(attackable(clock.System{}), testkit.WithSetting("ratelimit.login_failure", "1/15m"),
		testkit.WithPasswordCost(), testkit.WithSetting("password.permits", "1"), testkit.WithSetting("password.queue_deadline", "1ms"))...)
	u := api.User()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { api.Post("/auth/login", credentials("busy@example.com", "Wrong-Password-1")) })
		wg.Go(func() {
			r := api.Post("/auth/login", credentials(u.Email, u.Password))
			require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable, http.StatusTooManyRequests}, r.StatusCode)
		})
	}
	wg.Wait()
	api.LogIn(&u)
}

func TestATokenIsWorthWhatTheStoreSays(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		for name, sql := range map[string]string{
			"session ended":   `UPDATE sessions SET ended_at = created_at WHERE account_id = ?`,
			"session deleted": `DELETE FROM sessions WHERE account_id = ?`,
			"user disabled":   `UPDATE users SET is_active = NOT is_active WHERE id = ?`,
			"user deleted":    `DELETE FROM users WHERE id = ?`,
		} {
			clk := clock.NewFake(time.Now())
			api := testkit.Serve(t, db, testkit.WithClock(clk))
			u := api.User()
			api.As(u).Get("/users/me").Status(http.StatusOK)
			change(t, api, sql, u.ID)
			clk.Advance(push.LongTTL)
			r := api.As(u).Get("/users/me")
			r.Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			require.Contains(t, r.Header.Get("WWW-Authenticate"), `Bearer error="invalid_token"`, name)
		}
	})
}

func TestSessionsEndByThemselves(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		for setting, life := range map[string]time.Duration{"auth.session.idle": 5 * time.Minute, "auth.session.absolute": 10 * time.Minute} {
			clk := clock.NewFake(time.Now())
			opts := []testkit.Option{testkit.WithClock(clk), testkit.WithSetting("auth.session.idle", "5m"), testkit.WithSetting("auth.session.absolute", "10m")}
			if setting == "auth.session.absolute" {
				opts = append(opts, testkit.WithSetting("auth.session.idle", "10m"))
			}
			api := testkit.Serve(t, db, opts...)
			u := api.User()
			clk.Advance(life - time.Second)
			api.As(u).Get("/users/me").Status(http.StatusOK)
			clk.Advance(time.Second)
			api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}
	})
}

func TestClocksAMinuteApartLogNobodyOut(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		now := time.Now()
		here := testkit.Serve(t, db, testkit.WithClock(clock.NewFake(now)))
		u := here.User()
		for _, skew := range []time.Duration{-time.Minute, time.Minute} {
			there := testkit.Serve(t, db, testkit.WithClock(clock.NewFake(now.Add(skew))))
			there.As(u).Get("/users/me").Status(http.StatusOK)
		}
	})
}

func TestLimitsCountAcrossInstancesThatShareRedis(t *testing.T) {
	t.Parallel()
	if os.Getenv(testkit.RedisVariable) == "" || os.Getenv(testkit.PostgresVariable) == "" {
		return // without a Redis there is nothing to share, and with PostgreSQL both have reached it once they serve
	}
	db := testkit.Postgres(t)
	opts := []testkit.Option{
		testkit.WithLimits(), testkit.WithRedis(t), testkit.WithSetting("redis.prefix", "test-shared-"+t.Name()),
		testkit.WithSetting("ratelimit.login", "10/24h"), // of which none comes back meanwhile
	}
	one, two := testkit.Serve(t, db, opts...), testkit.Serve(t, db, opts...)
	var passed int
	for i := range 20 {
		r := []*testkit.API{one, two}[i%2].Post("/auth/login", credentials("nobody@example.com", "x"))
		if r.StatusCode == http.StatusBadRequest {
			passed++
		}
		require.Regexp(t, `^"login";q=10;w=86400$`, r.Header.Get("RateLimit-Policy"))
	}
	require.Equal(t, 10, passed)
}

// attackable has limits on, but for those of addresses, and believes in forwarded addresses.
func attackable(clk clock.Clock) []testkit.Option {
	return []testkit.Option{
		testkit.WithClock(clk), testkit.WithLimits(), testkit.WithSetting("ratelimit.login", "100000/1m"), testkit.WithSetting("http.trusted_proxies", "127.0.0.0/8"),
	}
}

func refusedFor(t *testing.T, api *testkit.API, email string) int {
	t.Helper()
	r := api.Post("/auth/login", credentials(email, "Wrong-Password-1"))
	r.Problem(http.StatusTooManyRequests, "RATE_LIMITED")
	seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
	require.NoError(t, err)
	return seconds
}

func change(t *testing.T, api *testkit.API, sql string, args ...any) {
	t.Helper()
	n, err := api.App.Stores.DB.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}
