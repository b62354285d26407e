package auth_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/testkit"
)

const nextPassword = "Analytical-Engine-1843"

const publicURL = "https://auth.example.com"

func public() testkit.Option { return testkit.WithSetting("http.public_url", publicURL) }

func address(email string) map[string]any { return map[string]any{"email": email} }

func reset(token, password string) map[string]any {
	return map[string]any{"token": token, "new_password": password}
}

// tokenIn takes the token out of the one link in a mail, which leads to the page.
func tokenIn(t *testing.T, m testkit.Mail, page string) string {
	t.Helper()
	require.Len(t, m.Links, 1)
	text, ok := strings.CutPrefix(m.Links[0], publicURL+page+"?token=")
	require.True(t, ok, m.Links[0])
	require.Regexp(t, `^gtm_[A-Za-z0-9_-]{64}$`, text)
	require.Contains(t, m.HTML, `href="`+m.Links[0]+`"`)
	return text
}

// forgot asks for a new password and gives the token that was mailed.
func forgot(t *testing.T, api *testkit.API, email string) string {
	t.Helper()
	before := len(api.Mail())
	require.Empty(t, api.Post("/auth/forgot-password", address(email)).Status(http.StatusAccepted).Body)
	api.WorkJobs()
	require.Len(t, api.Mail(), before+1)
	return newest(t, api, email, "/reset-password")
}

// newest gives the token of the newest link to a page that an address was mailed.
func newest(t *testing.T, api *testkit.API, email, page string) string {
	t.Helper()
	for _, m := range slices.Backward(api.MailTo(email, 1)) {
		if len(m.Links) > 0 && strings.Contains(m.Links[0], page+"?") {
			return tokenIn(t, m, page)
		}
	}
	require.Fail(t, "no mail leads to "+page)
	return ""
}

// invalid wants the answer for a token that is worth nothing.
func invalid(t *testing.T, r *testkit.Response) {
	t.Helper()
	p := r.Problem(http.StatusBadRequest, "VALIDATION_ERROR")
	require.Equal(t, "invalid_token", p.Reason)
	require.Empty(t, p.Errors)
}

func TestAForgottenPasswordIsReplacedByMail(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User(func(u *testkit.User) { u.Email = "Ada@Example.com" })
		require.Empty(t, api.Post("/auth/forgot-password", address("ada@example.COM")).Status(http.StatusAccepted).Body)
		api.WorkJobs()
		m := api.LastMailTo("Ada@example.com") // as it is stored, not as it was asked for
		require.Equal(t, "Choose a new password", m.Subject)
		require.Contains(t, m.Text, "for 10 minutes")
		text := tokenIn(t, m, "/reset-password")

		require.Empty(t, api.Post("/auth/reset-password", reset(text, nextPassword)).Status(http.StatusNoContent).Body)
		invalid(t, api.Post("/auth/reset-password", reset(text, "Another-Engine-1844")))
		api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		var why string
		require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT ended_reason FROM sessions WHERE account_id = ?`, u.ID).Scan(&why))
		require.Equal(t, "reset", why)
		api.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		api.Post("/auth/login", credentials(u.Email, nextPassword)).Status(http.StatusOK)

		api.WorkJobs()
		all := api.MailTo("Ada@example.com", 2)
		require.Equal(t, "Your password was changed", all[1].Subject)
		require.Empty(t, all[1].Links, "a notice asks nobody to open anything")
		require.NotContains(t, api.Logs.String(), text)
		require.NotContains(t, strings.ToLower(api.Logs.String()), "ada@example.com")
	})
}

func TestNobodyIsMailedWhereThereIsNobody(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		disabled, verified := api.User(), api.User()
		change(t, api, `UPDATE users SET is_active = ? WHERE id = ?`, false, disabled.ID)
		change(t, api, `UPDATE users SET email_verified = ? WHERE id = ?`, true, verified.ID)
		for path, emails := range map[string][]string{
			"/auth/forgot-password":     {"nobody@example.com", disabled.Email},
			"/auth/verify-email/resend": {"nobody@example.com", disabled.Email, verified.Email},
		} {
			for _, email := range emails {
				require.Empty(t, api.Post(path, address(email)).Status(http.StatusAccepted).Body)
			}
			api.Post(path, address("nobody")).Invalid("#/email invalid_format")
		}
		api.WorkJobs()
		require.Empty(t, api.Mail())
	})
}

func TestOnlyTheNewestLinkWorks(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk))
		u := api.User()
		first := forgot(t, api, u.Email)
		second := forgot(t, api, u.Email) // in the same instant
		clk.Advance(time.Second)
		third := forgot(t, api, u.Email)
		for _, old := range []string{first, second} {
			invalid(t, api.Post("/auth/reset-password", reset(old, nextPassword)))
		}
		api.Post("/auth/reset-password", reset(third, nextPassword)).Status(http.StatusNoContent)
		// Several that wait for the worker at once are the newest and no other.
		for range 3 {
			clk.Advance(time.Second)
			api.Post("/auth/forgot-password", address(u.Email)).Status(http.StatusAccepted)
		}
		api.WorkJobs()
		worked := 0
		for _, m := range api.Mail() {
			if m.Subject == "Choose a new password" &&
				api.Post("/auth/reset-password", reset(tokenIn(t, m, "/reset-password"), nextPassword)).StatusCode == http.StatusNoContent {
				worked++
			}
		}
		require.Equal(t, 1, worked)
	})
}

func TestThirtyUsesOfOneTokenAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public(), testkit.WithSetting("password.queue_deadline", "1m"), testkit.WithSetting("database.acquire_deadline", "1m"))
		u := api.User()
		for path, body := range map[string]map[string]any{
			"/auth/reset-password": reset(forgot(t, api, u.Email), nextPassword),
			"/auth/verify-email":   {"token": verification(t, api, u.Email)},
		} {
			var mu sync.Mutex
			statuses := map[int]int{}
			var wg sync.WaitGroup
			for range 30 {
				wg.Go(func() {
					r := api.Post(path, body)
					mu.Lock()
					defer mu.Unlock()
					statuses[r.StatusCode]++
				})
			}
			wg.Wait()
			require.Equal(t, map[int]int{http.StatusNoContent: 1, http.StatusBadRequest: 29}, statuses, path)
		}
	})
}

func TestALinkDiesInTime(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk))
		u := api.User()
		text := forgot(t, api, u.Email)
		clk.Advance(10*time.Minute - time.Second)
		api.Post("/auth/reset-password", reset(text, "short")).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
		clk.Advance(time.Second)
		invalid(t, api.Post("/auth/reset-password", reset(text, nextPassword)))

		api.Post("/auth/forgot-password", address(u.Email)).Status(http.StatusAccepted)
		clk.Advance(10 * time.Minute) // the worker was away that long
		api.WorkJobs()
		require.Len(t, api.Mail(), 1, "an expired link is not sent")
	})
}

func TestATokenDiesWithWhatItWasMailedTo(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		for name, sql := range map[string]string{
			"another address":  `UPDATE users SET email = 'other-' || email, email_canonical = 'other-' || email_canonical WHERE id = ?`,
			"disabled account": `UPDATE users SET is_active = NOT is_active WHERE id = ?`,
			"deleted account":  `DELETE FROM users WHERE id = ?`,
		} {
			u := api.User()
			forReset, forVerify := forgot(t, api, u.Email), verification(t, api, u.Email)
			change(t, api, sql, u.ID)
			invalid(t, api.Post("/auth/reset-password", reset(forReset, nextPassword)))
			invalid(t, api.Post("/auth/verify-email", map[string]any{"token": forVerify}))
			if name == "deleted account" { // whoever gets the address now inherits nothing
				next := api.User(func(n *testkit.User) { n.Email = u.Email })
				invalid(t, api.Post("/auth/reset-password", reset(forReset, nextPassword)))
				api.LogIn(&next)
			}
		}
	})
}

func TestATokenThatIsNotOursIsUnknown(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), public())
	u := api.User()
	forReset, forVerify := forgot(t, api, u.Email), verification(t, api, u.Email)
	never := api.App.Stores.MailedTokens.Token(token.MailedReset, token.NewMailedID()).Reveal()
	for name, text := range map[string]string{
		"garbage": "x", "of another purpose": forVerify, "an access token": u.AccessToken, "a refresh token": u.RefreshToken, "never mailed": never,
		"in capitals": strings.ToUpper(forReset), "with space": " " + forReset, "long": strings.Repeat("gtm_", 1000), "a control character": "\x00", "nothing": "",
	} {
		invalid(t, api.Post("/auth/reset-password", reset(text, nextPassword)))
		if name != "of another purpose" {
			invalid(t, api.Post("/auth/verify-email", map[string]any{"token": text}))
		}
	}
	invalid(t, api.Post("/auth/verify-email", map[string]any{"token": forReset}))
	for _, text := range []string{forReset, forVerify} {
		api.WithToken(text).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	}
	api.Post("/auth/reset-password", `{}`).Invalid("#/token required", "#/new_password required")
	api.Post("/auth/reset-password", `{"token":"","new_password":"x"}`).Invalid("#/new_password too_short", "#/new_password missing_upper", "#/new_password missing_digit")
	api.Post("/auth/reset-password", `{"token":1,"new_password":"`+nextPassword+`","email":"x"}`).Invalid("#/token wrong_type", "#/email unknown_field")
	api.Post("/auth/verify-email", `{}`).Invalid("#/token required")
}

func TestAPasswordThatThePolicyRefusesLeavesTheTokenGood(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User(func(u *testkit.User) { u.Email = "babbage@example.com" })
		text := forgot(t, api, u.Email)
		for password, faults := range map[string][]string{
			"Password123":      {"#/new_password common_password"},
			"Babbage-Was-1791": {"#/new_password contains_context"},
			"My-GateHouse-184": {"#/new_password contains_context"},
			"babbage":          {"#/new_password too_short", "#/new_password missing_upper", "#/new_password missing_digit"},
		} {
			api.Post("/auth/reset-password", reset(text, password)).Invalid(faults...)
		}
		api.Post("/auth/reset-password", reset(text, nextPassword)).Status(http.StatusNoContent)
	})
}

func TestAMailedResetAlwaysWorks(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(attackable(clock.NewFake(time.Now())), public())...)
		u := api.WithHeader("X-Forwarded-For", "192.0.2.1").User()
		stranger, owner := api.WithHeader("X-Forwarded-For", "198.51.100.7"), api.WithHeader("X-Forwarded-For", "203.0.113.9")
		for range 10 {
			stranger.Post("/auth/login", credentials(u.Email, "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		owner.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		owner.Post("/auth/reset-password", reset(forgot(t, owner, u.Email), nextPassword)).Status(http.StatusNoContent)
		for range 10 { // the stranger begins again, and fills the budget that is not the owner's any more
			stranger.Post("/auth/login", credentials(u.Email, "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		stranger.Post("/auth/login", credentials(u.Email, nextPassword)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		owner.Post("/auth/login", credentials(u.Email, nextPassword)).Status(http.StatusOK)
	})
}

func TestAskingForANewPasswordIsLimitedPerAccountKnownOrNot(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithClock(clock.NewFake(time.Now())), testkit.WithLimits(), testkit.WithSetting("ratelimit.forgot", "1000/1m"))
		u := api.User()
		var answers []string
		for _, spellings := range [][]string{{u.Email, strings.ToUpper(u.Email)}, {"nobody@example.com", "NOBODY@example.com"}} {
			for i := range 3 {
				api.Post("/auth/forgot-password", address(spellings[i%2])).Status(http.StatusAccepted)
			}
			r := api.WithHeader("X-Request-ID", "same").Post("/auth/forgot-password", address(spellings[0]))
			r.Problem(http.StatusTooManyRequests, "RATE_LIMITED")
			answers = append(answers, r.Header.Get("Retry-After")+string(r.Body))
		}
		require.Equal(t, answers[0], answers[1])
		require.NotContains(t, answers[0], `"Retry-After":""`)
	})
}

func TestALinkCarriesThePublicURLWhateverTheRequestSays(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{"": publicURL + "/reset-password?token=", "/api": publicURL + "/api/reset-password?token="} {
		api := testkit.Serve(t, testkit.SQLite(t), public(), testkit.WithSetting("http.base_path", base), testkit.WithSetting("http.trusted_proxies", "127.0.0.0/8"))
		made := api.App.Stores.Accounts
		require.NotNil(t, made)
		api.Post(base+"/auth/register", registration("ada@example.com")).Status(http.StatusCreated)
		api.WorkJobs()
		for _, header := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-Host", "X-Rewrite-URL", "Forwarded"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.URL+base+"/auth/forgot-password", strings.NewReader(`{"email":"ada@example.com"}`))
			require.NoError(t, err)
			req.Host = "evil.example"
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Origin", "https://evil.example")
			req.Header.Set(header, map[bool]string{false: "evil.example", true: "host=evil.example;proto=http"}[header == "Forwarded"])
			api.Send(req).Status(http.StatusAccepted)
			api.WorkJobs()
		}
		all := api.MailTo("ada@example.com", 6)
		require.Len(t, all, 6)
		for _, m := range all[1:] {
			require.True(t, strings.HasPrefix(m.Links[0], want), m.Links[0])
			require.NotContains(t, m.Text+m.HTML, "evil")
		}
	}
}

func TestLinksLeadToTheProductsOwnPages(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithSetting("auth.pages.reset_url", "https://app.example.com/new-password?from=mail"),
		testkit.WithSetting("auth.pages.verify_url", "https://app.example.com/verify"))
	u := api.User()
	api.Post("/auth/forgot-password", address(u.Email)).Status(http.StatusAccepted)
	api.WorkJobs()
	require.Regexp(t, `^https://app\.example\.com/new-password\?from=mail&token=gtm_`, api.LastMailTo(u.Email).Links[0])
	api.Post("/auth/verify-email/resend", address(u.Email)).Status(http.StatusAccepted)
	api.WorkJobs()
	require.Regexp(t, `^https://app\.example\.com/verify\?token=gtm_`, api.LastMailTo(u.Email).Links[0])
}

func TestWithoutAPublicURLALinkLeadsToTheListener(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	u := api.User()
	api.Post("/auth/forgot-password", address(u.Email)).Status(http.StatusAccepted)
	api.WorkJobs()
	require.Regexp(t, `^http://127\.0\.0\.1:8080/reset-password\?token=gtm_`, api.LastMailTo(u.Email).Links[0])
}

func TestMailsAreInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		for _, c := range []struct{ locale, asked, want string }{
			{"", "", "en"}, {"", "de-AT,de;q=0.9", "de"}, {"", "fr", "en"}, {"de-CH", "en", "de"}, {"en", "de", "en"}, {"fr", "de", "de"},
		} {
			var locale *string
			if c.locale != "" {
				locale = &c.locale
			}
			change(t, api, `UPDATE users SET locale = ? WHERE id = ?`, locale, u.ID)
			api.WithHeader("Accept-Language", c.asked).Post("/auth/forgot-password", address(u.Email)).Status(http.StatusAccepted)
			api.WorkJobs()
			m := api.LastMailTo(u.Email)
			require.Equal(t, c.want, m.Language, "%+v", c)
			require.Equal(t, map[string]string{"en": "Choose a new password", "de": "Wählen Sie ein neues Passwort"}[c.want], m.Subject)
			require.Contains(t, m.Text, map[string]string{"en": "10 minutes", "de": "10 Minuten"}[c.want])
		}
	})
}

func TestAMailThatIsSentTwiceHasOneMessageID(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		text := forgot(t, api, u.Email)
		first := api.LastMailTo(u.Email)
		// As if the worker had died between the mail and its acknowledgement.
		change(t, api, `UPDATE river_job SET state = 'available', finalized_at = NULL WHERE kind = 'auth.mail'`) //nolint:misspell // River's column
		api.WorkJobs()
		all := api.MailTo(u.Email, 1)
		require.Len(t, all, 1)
		require.Equal(t, first.MessageID, all[0].MessageID)
		require.Equal(t, first.Links, all[0].Links)
		api.Post("/auth/reset-password", reset(text, nextPassword)).Status(http.StatusNoContent)
		change(t, api, `UPDATE river_job SET state = 'available', finalized_at = NULL WHERE kind = 'auth.mail' AND state = 'completed'`) //nolint:misspell // River's column
		api.WorkJobs()
		require.Len(t, api.MailTo(u.Email, 2), 2, "a link that was used is not sent again")
	})
}

// TestAMailScannerChangesNothing opens every link of every mail, twice, as scanners do, and uses them all the same.
func TestAMailScannerChangesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		forReset, forVerify := forgot(t, api, u.Email), verification(t, api, u.Email)
		for _, m := range api.Mail() {
			for range 2 {
				link, err := url.Parse(m.Links[0])
				require.NoError(t, err)
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					r := api.Do(method, link.RequestURI(), nil).Status(http.StatusOK)
					require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
				}
			}
		}
		api.As(u).Get("/users/me").Status(http.StatusOK)
		api.Post("/auth/verify-email", map[string]any{"token": forVerify}).Status(http.StatusNoContent)
		api.Post("/auth/reset-password", reset(forReset, nextPassword)).Status(http.StatusNoContent)
		require.NotContains(t, api.Logs.String(), "gtm_")
	})
}
