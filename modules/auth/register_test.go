package auth_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func registration(email string) map[string]any {
	return map[string]any{"email": email, "password": testkit.Password, "full_name": "Ada Lovelace"}
}

func TestRegisterGivesTheAccount(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		before := time.Now()
		var got struct {
			ID, Email string
			FullName  string    `json:"full_name"`
			CreatedAt time.Time `json:"created_at"`
		}
		api.Post("/auth/register", map[string]any{"email": " Ada@Bücher.example ", "password": testkit.Password, "full_name": " Ada  Lovelace\t"}).
			Status(http.StatusCreated).JSON(&got)
		require.Equal(t, "Ada@Bücher.example", got.Email)
		require.Equal(t, "Ada  Lovelace", got.FullName)
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, got.ID)
		require.WithinRange(t, got.CreatedAt, before.Add(-time.Second), time.Now().Add(time.Second))
	})
}

func TestRegisterReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	long := strings.Repeat("a", 101)
	for name, c := range map[string]struct {
		body   string
		faults []string
	}{
		"nothing":                    {`{}`, []string{"#/email required", "#/password required", "#/full_name required"}},
		"no body":                    {``, []string{"# required"}},
		"not an object":              {`[]`, []string{"# wrong_type"}},
		"null":                       {`null`, []string{"# wrong_type"}},
		"wrong types":                {`{"email":1,"password":true,"full_name":[]}`, []string{"#/email wrong_type", "#/password wrong_type", "#/full_name wrong_type"}},
		"nulls":                      {`{"email":null,"password":null,"full_name":null}`, []string{"#/email wrong_type", "#/password wrong_type", "#/full_name wrong_type"}},
		"everything wrong":           {`{"email":"ada","password":"short","full_name":"` + long + `","x":1}`, []string{"#/email invalid_format", "#/password too_short", "#/password missing_upper", "#/password missing_digit", "#/full_name too_long", "#/x unknown_field"}},
		"another case":               {`{"Email":"a@example.com","password":"Difference-Engine-1842","full_name":"A"}`, []string{"#/Email unknown_field", "#/email required"}},
		"a member twice":             {`{"email":"a@example.com","email":"b@example.com","password":"Difference-Engine-1842","full_name":"A"}`, []string{"#/email duplicate"}},
		"a common password":          {`{"email":"a@example.com","password":"Password123","full_name":"A"}`, []string{"#/password common_password"}},
		"the address in it":          {`{"email":"babbage@example.com","password":"Babbage-Was-1791","full_name":"A"}`, []string{"#/password contains_context"}},
		"the product in it":          {`{"email":"a@example.com","password":"My-GateHouse-1842","full_name":"A"}`, []string{"#/password contains_context"}},
		"an empty name":              {`{"email":"a@example.com","password":"Difference-Engine-1842","full_name":"  "}`, []string{"#/full_name too_short"}},
		"a name of control":          {`{"email":"a@example.com","password":"Difference-Engine-1842","full_name":"a\u0007b"}`, []string{"#/full_name invalid_format"}},
		"a password of 4 KiB and 1":  {`{"email":"a@example.com","password":"` + strings.Repeat("A", 4097) + `","full_name":"A"}`, []string{"#/password too_long"}},
		"a password of 129":          {`{"email":"a@example.com","password":"` + strings.Repeat("aB1", 43) + `","full_name":"A"}`, []string{"#/password too_long"}},
		"an address literal":         {`{"email":"a@[127.0.0.1]","password":"Difference-Engine-1842","full_name":"A"}`, []string{"#/email invalid_format"}},
		"one label":                  {`{"email":"a@localhost","password":"Difference-Engine-1842","full_name":"A"}`, []string{"#/email invalid_format"}},
		"an invisible character":     {`{"email":"a@exam\u200bple.com","password":"Difference-Engine-1842","full_name":"A"}`, []string{"#/email invalid_format"}},
		"a letter that looks like a": {`{"email":"a@ex\u0430mple.com","password":"Difference-Engine-1842","full_name":"A"}`, []string{"#/email invalid_format"}},
		"trailing data":              {`{} {}`, []string{"# invalid_format"}},
		"broken off":                 {`{"email":"a@example.com"`, []string{"#/email invalid_format"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api.For(t).Post("/auth/register", c.body).Invalid(c.faults...)
		})
	}
}

func TestRegisterRefusesAKnownAddressHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		api.Post("/auth/register", registration("Ada.Lovelace@Bücher.example")).Status(http.StatusCreated)
		for _, spelling := range []string{"ada.lovelace@bücher.example", "ADA.LOVELACE@BÜCHER.EXAMPLE", "ada.lovelace@xn--bcher-kva.example", "ada.lovelace@XN--BCHER-KVA.example"} {
			p := api.Post("/auth/register", registration(spelling)).Problem(http.StatusConflict, "CONFLICT")
			require.Equal(t, "email_already_exists", p.Reason)
		}
	})
}

func TestFortyRegistrationsOfOneAddressMakeOneAccount(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithSetting("password.queue_deadline", "1m"))
		var mu sync.Mutex
		statuses := map[int]int{}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				email := "ada@example.com"
				if i%2 == 0 {
					email = "ADA@Example.COM"
				}
				r := api.Post("/auth/register", registration(email))
				mu.Lock()
				defer mu.Unlock()
				statuses[r.StatusCode]++
			})
		}
		wg.Wait()
		require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: 39}, statuses)
		var rows int
		require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT count(*) FROM users`).Scan(&rows))
		require.Equal(t, 1, rows)
	})
}

func TestProbingForKnownAddressesEnds(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithLimits(), testkit.WithSetting("ratelimit.register", "1000/1m"), testkit.WithSetting("ratelimit.register_conflict", "3/1h"))
		api.Post("/auth/register", registration("ada@example.com")).Status(http.StatusCreated)
		for range 3 {
			api.Post("/auth/register", registration("ada@example.com")).Problem(http.StatusConflict, "CONFLICT")
		}
		for _, email := range []string{"ada@example.com", "new@example.com"} {
			r := api.Post("/auth/register", registration(email))
			r.Problem(http.StatusTooManyRequests, "RATE_LIMITED")
			require.NotEmpty(t, r.Header.Get("Retry-After"))
		}
	})
}

func TestThePolicyOfNISTAsksForLengthAlone(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithSetting("auth.password.policy", "nist"))
	body := registration("ada@example.com")
	body["password"] = "fourteen chars"
	api.Post("/auth/register", body).Invalid("#/password too_short")
	body["password"] = "no upper case and no digit"
	api.Post("/auth/register", body).Status(http.StatusCreated)
}

func TestPasswordsKeepEveryCodePoint(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	for i, fill := range []string{"a", "ж", "漢", "𝒳", "é"} {
		email := fmt.Sprintf("script-%d@example.com", i)
		password := "Aa1" + strings.Repeat(fill, 125)
		body := registration(email)
		body["password"] = password
		api.Post("/auth/register", body).Status(http.StatusCreated)
		api.Post("/auth/login", map[string]any{"email": email, "password": password}).Status(http.StatusOK)
		shorter := strings.TrimSuffix(password, fill)
		api.Post("/auth/login", map[string]any{"email": email, "password": shorter}).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
	}
}

func TestClosedRegistrationTakesNobody(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithSetting("auth.registration.enabled", "false"))
	for _, body := range []any{registration("ada@example.com"), `{}`, `{`} { // before anything is looked at
		p := api.Post("/auth/register", body).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		require.Equal(t, "registration_closed", p.Reason)
	}
	u := api.User() // as the command line makes one
	api.LogIn(&u)
}

func TestRegistrationMayBeForSomeDomainsAlone(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithSetting("auth.registration.allowed_domains", "Example.com,bücher.example"))
	api.Post("/auth/register", registration("ada@EXAMPLE.com")).Status(http.StatusCreated)
	api.Post("/auth/register", registration("ada@xn--bcher-kva.example")).Status(http.StatusCreated)
	api.Post("/auth/register", registration("ada@sub.example.com")).Invalid("#/email not_allowed")
	api.Post("/auth/register", `{"email":"ada@elsewhere.example","password":"short"}`).
		Invalid("#/email not_allowed", "#/full_name required", "#/password too_short", "#/password missing_upper", "#/password missing_digit")
}

// TestOpaqueRegistrationTellsNothing compares all that a client can see, and what the owner of a known address is told.
func TestOpaqueRegistrationTellsNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public(), testkit.WithSetting("auth.registration.existing_email", "opaque"))
		register := func(email string) http.Header {
			r := api.WithHeader("X-Request-ID", "same").Post("/auth/register", registration(email)).Status(http.StatusAccepted)
			require.Empty(t, r.Body)
			r.Header.Del("Date")
			r.Header.Del("Server-Timing")
			return r.Header
		}
		unknown := register("ada@example.com")
		require.Equal(t, unknown, register("ADA@example.com"))
		api.WorkJobs()
		all := api.MailTo("ada@example.com", 2)
		require.Len(t, all, 2)
		subjects := []string{all[0].Subject, all[1].Subject}
		require.ElementsMatch(t, []string{"Confirm your e-mail address", "You have an account already"}, subjects)
		for _, m := range all {
			if m.Subject == "You have an account already" {
				require.Empty(t, m.Links)
			}
		}
		api.Post("/auth/login", credentials("ada@example.com", testkit.Password)).Status(http.StatusOK)
		api.Post("/auth/register", `{"email":"ada@example.com","password":"x","full_name":"A"}`).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
	})
}

func TestOpaqueRegistrationsOfOneAddressAtOnceMakeOneAccount(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithSetting("password.queue_deadline", "1m"), testkit.WithSetting("auth.registration.existing_email", "opaque"))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { api.Post("/auth/register", registration("ada@example.com")).Status(http.StatusAccepted) })
		}
		wg.Wait()
		api.WorkJobs()
		subjects := map[string]int{}
		for _, m := range api.MailTo("ada@example.com", 10) {
			subjects[m.Subject]++
		}
		require.Equal(t, map[string]int{"Confirm your e-mail address": 1, "You have an account already": 9}, subjects)
	})
}
