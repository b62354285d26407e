package users_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

// row is a row that a test puts past the API.
type row struct {
	email, name string
	role        account.Role
	inactive    bool
	created     time.Time
	login       *time.Time
	id          account.ID
}

// add puts people into the table, as the module itself writes them.
func add(t testing.TB, db *database.DB, people []row) {
	t.Helper()
	for batch := range slices.Chunk(people, 500) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			var args []any
			for i := range batch {
				p := &batch[i]
				if p.id.IsZero() {
					p.id = account.NewID()
				}
				args = append(args, p.id, p.email, strings.ToLower(p.email), account.Fold(p.email), true, p.name, account.Fold(p.name), p.role, !p.inactive, 1, p.created, p.created, p.login)
			}
			values := strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?,?,?,?,?,?),", len(batch)), ",")
			_, err := tx.Exec(ctx, `INSERT INTO users (id, email, email_canonical, email_folded, email_verified, full_name, full_name_folded, role, is_active, version, created_at, updated_at, last_login_at) VALUES `+values, args...)
			return err
		}))
	}
}

// answer is a page as a client reads it.
type answer struct {
	Items []struct {
		ID       account.ID `json:"id"`
		Email    string     `json:"email"`
		FullName string     `json:"full_name"`
		Role     string     `json:"role"`
		IsActive bool       `json:"is_active"`
	} `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// walk follows the cursors, and calls between after each page.
func walk(t *testing.T, as *testkit.API, query url.Values, between func(page int)) (emails []string) {
	t.Helper()
	for page := range 2000 {
		var got answer
		as.Get("/users?" + query.Encode()).Status(http.StatusOK).JSON(&got)
		for _, u := range got.Items {
			emails = append(emails, u.Email)
		}
		if got.NextCursor == nil {
			return emails
		}
		query.Set("cursor", *got.NextCursor)
		if between != nil {
			between(page)
		}
	}
	t.Fatal("the walk does not end")
	return nil
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

var (
	day  = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	seen = day.Add(time.Hour)
)

// few are the people of most tests; the administrator who asks is a sixth, made today.
func few() []row {
	return []row{
		{email: "bob@example.com", name: "Bob Stone", role: account.RoleUser, created: day, login: &seen},
		{email: "Ada@example.com", name: "ada lovelace", role: account.RoleAdmin, created: day.AddDate(0, 0, 1)},
		{email: "carol@example.com", name: "Étienne", role: account.RoleUser, inactive: true, created: day.AddDate(0, 0, 2)},
		{email: "zoe@example.com", name: "Bo Derek", role: account.RoleUser, created: day.AddDate(0, 0, 2)},
		{email: "bo@bücher.example", name: "Bo Ng", role: account.RoleAdmin, inactive: true, created: day.AddDate(0, 0, 3)},
	}
}

func listing(t *testing.T, db testkit.Database) (as *testkit.API, admin testkit.User) {
	t.Helper()
	clk := clock.NewFake(day.AddDate(1, 0, 0))
	api := testkit.Serve(t, db, testkit.WithClock(clk))
	admin = api.User(func(u *testkit.User) {
		u.Email, u.FullName, u.Role = "root@example.com", "Root", account.RoleAdmin
	})
	people := few()
	for i := range people { // ids in the order of the list, as time would have made them
		people[i].id = account.ID{0: 1, 6: 0x70, 8: 0x80, 15: byte(i)}
	}
	add(t, api.App.Stores.DB, people)
	return api.As(admin), admin
}

func TestListGivesEveryoneInEveryOrder(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		as, _ := listing(t, db)
		const bob, ada, carol, zoe, bo, root = "bob@example.com", "Ada@example.com", "carol@example.com", "zoe@example.com", "bo@bücher.example", "root@example.com"
		for query, want := range map[string][]string{
			"":                    {root, bo, zoe, carol, ada, bob},
			"sort=-created_at":    {root, bo, zoe, carol, ada, bob},
			"sort=created_at":     {bob, ada, carol, zoe, bo, root},
			"sort=email":          {ada, bo, bob, carol, root, zoe},
			"sort=-email":         {zoe, root, carol, bob, bo, ada},
			"sort=full_name":      {ada, zoe, bo, bob, root, carol},
			"sort=-full_name":     {carol, root, bob, bo, zoe, ada},
			"sort=last_login_at":  {ada, carol, zoe, bo, bob, root},
			"sort=-last_login_at": {root, bob, bo, zoe, carol, ada},
			"role=admin":          {root, bo, ada},
			"role=user":           {zoe, carol, bob},
			"is_active=false":     {bo, carol},
			"is_active=true":      {root, zoe, ada, bob},
			"role=admin&is_active=false&sort=created_at": {bo},
			"role=user&is_active=true":                   {zoe, bob},
			"created_after=2026-03-02T00:00:00Z":         {root, bo, zoe, carol},
			"created_before=2026-03-02T00:00:00Z":        {bob},
			"created_before=0001-01-01T00:00:00Z":        nil,
			"created_after=2026-03-01T01:00:00%2B01:00&created_before=2026-03-04T00:00:00Z&sort=created_at":   {ada, carol, zoe},
			"created_after=2026-03-01T00:00:00Z&created_before=2026-03-04T00:00:00Z&role=user&is_active=true": {zoe},
			"q=b":                 {bo, bob, zoe},
			"q=BO":                {bo, bob, zoe},
			"q=bob":               {bob},
			"q=bo%40b%C3%BCCHER.": {bo},
			"q=ADA":               {ada},
			"q=%C3%A9t":           {carol},
			"q=E%CC%81t":          {carol},
			"q=et":                nil,
			"q=stone":             nil,
			"q=bo&role=admin":     {bo},
			"q=bo&role=user":      {bob, zoe},
			"q=bo&is_active=true&created_after=2026-03-01T00:00:00Z": {zoe},
			"q=bo&created_before=2026-03-03T00:00:00Z":               {bob},
		} {
			for _, limit := range []string{"1", "2", "100"} {
				given, err := url.ParseQuery(query)
				require.NoError(t, err)
				given.Set("limit", limit)
				require.Equal(t, want, walk(t, as, given, nil), "%s by %s", query, limit)
			}
		}
	})
}

func TestListIsForAdministratorsAlone(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		api.Get("/users").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.As(api.User()).Get("/users?limit=0").Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		var got map[string]any
		admin := api.Admin()
		api.As(admin).Get("/users?role=admin").Status(http.StatusOK).JSON(&got)
		var me any
		api.As(admin).Get("/users/me").JSON(&me)
		require.Equal(t, map[string]any{"items": []any{me}, "next_cursor": nil}, got, "a user of a list is the user of /users/me")
		api.As(admin).Get("/users?q=nobody").JSON(&got)
		require.Equal(t, map[string]any{"items": []any{}, "next_cursor": nil}, got)
	})
}

func TestListNamesEveryFaultOfAQuery(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		as, _ := listing(t, db)
		for query, want := range map[string][]string{
			"limit=0":                             {"limit out_of_range"},
			"limit=101":                           {"limit out_of_range"},
			"limit=1e1":                           {"limit invalid_format"},
			"limit=":                              {"limit invalid_format"},
			"cursor=":                             {"cursor too_short"},
			"cursor=x":                            {"cursor invalid_format"},
			"sort=id":                             {"sort not_allowed"},
			"sort=":                               {"sort not_allowed"},
			"sort=Email":                          {"sort not_allowed"},
			"role=root":                           {"role not_allowed"},
			"is_active=1":                         {"is_active invalid_format"},
			"is_active=":                          {"is_active invalid_format"},
			"q=":                                  {"q too_short"},
			"q=%00":                               {"q invalid_format"},
			"q=%ff":                               {"q invalid_format"},
			"q=a&q=b":                             {"q duplicate"},
			"Q=a":                                 {"Q unknown_field"},
			"offset=1":                            {"offset unknown_field"},
			"q=a&sort=email":                      {"sort not_allowed"},
			"q=a&sort=-created_at":                {"sort not_allowed"},
			"created_after=yesterday":             {"created_after invalid_format"},
			"created_before=2026-13-01T00:00:00Z": {"created_before invalid_format"},
			"q=" + strings.Repeat("a", 255):       {"q too_long"},
			"sort=email&role=admin&is_active=true&created_after=2026-01-01T00:00:00Z&created_before=2026-01-01T00:00:00Z": {
				"role not_allowed", "is_active not_allowed", "created_after not_allowed", "created_before not_allowed"},
			"sort=-last_login_at&is_active=false&limit=0&cursor=x&x=1": {"is_active not_allowed", "limit out_of_range", "cursor invalid_format", "x unknown_field"},
		} {
			as.For(t).Get("/users?" + query).Invalid(want...)
		}
	})
}

func TestSearchTakesWildcardsLiterally(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		as, _ := listing(t, db)
		api := testkit.Serve(t, db)
		add(t, api.App.Stores.DB, []row{
			{email: "a%b@example.com", name: "Percent", role: account.RoleUser, created: day},
			{email: "a_b@example.com", name: "Underscore", role: account.RoleUser, created: day},
			{email: "axb@example.com", name: "100% sure", role: account.RoleUser, created: day},
			{email: "ayb@example.com", name: `\_'"?*[a]`, role: account.RoleUser, created: day},
		})
		for q, want := range map[string][]string{
			"%": nil, "_": nil, "a%": {"a%b@example.com"}, "a_": {"a_b@example.com"}, "a_b@": {"a_b@example.com"}, "100%": {"axb@example.com"}, "1_0": nil,
			`\`: {"ayb@example.com"}, `\_'"?*[`: {"ayb@example.com"}, `\%`: nil, "*": nil, "?": nil, "' OR '1'='1": nil, "a.b": nil, "\U0010FFFF": nil, " ada": nil,
		} {
			require.Equal(t, want, walk(t, as, values("q", q), nil), q)
		}
	})
}

func TestCursorOfAnotherListIsRefused(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		as, _ := listing(t, db)
		cursor := func(query string) string {
			var got answer
			as.Get("/users?limit=1&" + query).Status(http.StatusOK).JSON(&got)
			require.NotNil(t, got.NextCursor, query)
			return *got.NextCursor
		}
		lists := []string{
			"", "sort=created_at", "sort=email", "sort=-email", "sort=full_name", "sort=-full_name", "sort=last_login_at", "sort=-last_login_at", "role=user", "role=admin",
			"is_active=true", "is_active=false", "created_after=2020-01-01T00:00:00Z", "created_before=2027-01-01T00:00:00Z", "created_after=2020-01-01T00:00:00.000001Z", "q=b", "q=bo", "q=b&is_active=true",
		}
		for i, from := range lists {
			c := cursor(from)
			for j, to := range lists {
				r := as.Get("/users?limit=1&cursor=" + c + "&" + to)
				if i == j {
					r.Status(http.StatusOK)
				} else {
					r.Invalid("cursor invalid_format")
				}
			}
		}
		whole := cursor("")
		first := "A"
		if whole[0] == 'A' { // the nonce is random
			first = "B"
		}
		for _, forged := range []string{whole[:len(whole)-1], whole[:20], whole + "A", first + whole[1:], strings.ToLower(whole), whole + "%3D", strings.Repeat("A", 5000)} {
			as.Get("/users?cursor=" + forged).Invalid("cursor invalid_format")
		}
		other := testkit.Serve(t, testkit.SQLite(t))
		other.As(other.Admin()).Get("/users?cursor=" + whole).Invalid("cursor invalid_format")
		as.Get("/users?limit=1&sort=-created_at&cursor=" + whole).Status(http.StatusOK) // the default, spelled out
	})
}

func TestLinkLeadsToTheNextPage(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(day)
		api := testkit.Serve(t, db, testkit.WithClock(clk), testkit.WithSetting("http.base_path", "/api"))
		based := *api
		based.URL += "/api"
		admin := based.Admin()
		people := few()
		for i := range people {
			people[i].name = "<x>;&"
		}
		add(t, api.App.Stores.DB, people)
		var first, second answer
		r := based.As(admin).Get("/users?q=<x>;&limit=2")
		r.Problem(http.StatusBadRequest, "VALIDATION_ERROR") // the semicolon
		r = based.As(admin).Get("/users?q=<X>%3B%26&limit=3").Status(http.StatusOK)
		r.JSON(&first)
		link := r.Header.Get("Link")
		target, found := strings.CutSuffix(link, `>; rel="next"`)
		require.True(t, found, link)
		require.Regexp(t, `^</api/users\?[^<> ]+$`, target)
		r = api.As(admin).Get(target[1:]).Status(http.StatusOK)
		r.JSON(&second)
		require.Empty(t, r.Header.Get("Link"))
		require.Len(t, first.Items, 3)
		require.Len(t, second.Items, 2)
	})
}

// TestAPageOfASearchIsBounded has a search for what is rare go on behind an empty page, and still meet it once.
func TestAPageOfASearchIsBounded(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		as, admin := listing(t, db)
		api := testkit.Serve(t, db)
		people := make([]row, 12_001)
		for i := range 12_000 {
			people[i] = row{email: fmt.Sprintf("same-%05d@example.com", i), name: fmt.Sprintf("Same %05d", i), role: account.RoleUser, created: day}
		}
		people[11_000].role, people[11_500].created = account.RoleAdmin, day.AddDate(0, 1, 0)
		people[12_000] = row{email: "other@example.com", name: "Same 99999", role: account.RoleUser, created: day}
		add(t, api.App.Stores.DB, people)
		var first answer
		as.Get("/users?q=same&role=admin").Status(http.StatusOK).JSON(&first)
		require.Empty(t, first.Items)
		require.NotNil(t, first.NextCursor)
		require.Equal(t, []string{"same-11000@example.com"}, walk(t, as, values("q", "same", "role", "admin"), nil))
		require.Equal(t, []string{"same-11500@example.com"}, walk(t, as, values("q", "SAME-", "created_after", "2026-03-02T00:00:00Z"), nil))
		all := walk(t, as, values("q", "same", "limit", "100"), nil)
		require.Len(t, all, 12_001)
		require.Equal(t, "other@example.com", all[12_000], "whose name alone begins so")
		require.NotContains(t, all, admin.Email)
	})
}

// TestAWalkMeetsEveryoneWhoStayedOnce walks over 10,000 users, of whom some go and to whom some come between the pages.
func TestAWalkMeetsEveryoneWhoStayedOnce(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(day.AddDate(0, 0, 2))
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		as := api.As(api.Admin())
		db2 := api.App.Stores.DB
		const many = 10_000
		people := make([]row, many)
		for i := range people {
			people[i] = row{
				email: fmt.Sprintf("walker-%05d@example.com", i*7919%many), name: fmt.Sprintf("Walker %03d", i%500), role: account.RoleUser,
				created: day.Add(time.Duration(i/3) * time.Second), inactive: i%2 == 1,
			}
			if i%3 > 0 {
				at := day.Add(time.Duration(i%100) * time.Minute)
				people[i].login = &at
			}
		}
		add(t, db2, people)
		fresh := 0
		for _, query := range []url.Values{
			values("sort", "-created_at"), values("sort", "created_at"), values("sort", "created_at", "is_active", "false"), values("sort", "email"), values("sort", "-full_name"),
			values("sort", "last_login_at"), values("sort", "-last_login_at"), values("q", "walker"), values("q", "walker", "is_active", "true"),
		} {
			before := walkers(t, db2)
			query.Set("limit", "100")
			met := walk(t, as, maps.Clone(query), func(page int) {
				if page%4 != 0 {
					return
				}
				var come []row
				for range 3 {
					fresh++
					come = append(come, row{email: fmt.Sprintf("walker-%05d-new-%d@example.com", fresh*31%many, fresh), name: "Walker 250", role: account.RoleUser, created: day.Add(time.Duration(fresh) * time.Second), inactive: fresh%2 == 1})
				}
				add(t, db2, come)
				_, err := db2.Exec(t.Context(), `DELETE FROM users WHERE email_folded = ? OR email_folded = ?`, fmt.Sprintf("walker-%05d@example.com", fresh*37%many), fmt.Sprintf("walker-%05d@example.com", fresh*101%many))
				require.NoError(t, err)
			})
			counted := map[string]int{}
			for _, email := range met {
				counted[email]++
				require.Equal(t, 1, counted[email], "%s met twice by %v", email, query)
			}
			after := walkers(t, db2)
			stayed := 0
			for email, active := range before {
				if _, there := after[email]; !there || query.Get("is_active") != "" && query.Get("is_active") != fmt.Sprint(active) {
					continue
				}
				stayed++
				require.Equal(t, 1, counted[email], "%s not met by %v", email, query)
			}
			require.Greater(t, stayed, 4000)
		}
	})
}

// walkers gives everyone who walks, and whether they are active.
func walkers(t *testing.T, db *database.DB) map[string]bool {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT email, is_active FROM users WHERE role = ?`, account.RoleUser)
	require.NoError(t, err)
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var email string
		var active bool
		require.NoError(t, rows.Scan(&email, &active))
		all[email] = active
	}
	require.NoError(t, rows.Err())
	return all
}

// TestRowsOfAnOlderVersionAreFolded leaves out what only this version computes.
func TestRowsOfAnOlderVersionAreFolded(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		as, _ := listing(t, db)
		api := testkit.Serve(t, db)
		_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE users SET email_folded = '', full_name_folded = ''`)
		require.NoError(t, err)
		require.Len(t, walk(t, as, values("sort", "email", "limit", "1"), nil), 6, "they are there meanwhile")
		stop, err := api.App.StartWorker(t.Context())
		require.NoError(t, err)
		defer stop()
		require.Eventually(t, func() bool {
			return slices.Equal(walk(t, as, values("q", "bo"), nil), []string{"bo@bücher.example", "bob@example.com", "zoe@example.com"})
		}, time.Minute, 10*time.Millisecond)
	})
}

// TestNamesOfEveryKindHaveTheirPlaceInACursor takes names that fold to the longest texts.
func TestNamesOfEveryKindHaveTheirPlaceInACursor(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		as, _ := listing(t, db)
		api := testkit.Serve(t, db)
		add(t, api.App.Stores.DB, []row{
			{email: "long-1@example.com", name: strings.Repeat("\U0001D160", account.MaxNameLength), role: account.RoleUser, created: day},
			{email: "long-2@example.com", name: strings.Repeat("\U0001D160", account.MaxNameLength), role: account.RoleUser, created: day},
		})
		require.Len(t, walk(t, as, values("sort", "-full_name", "limit", "1"), nil), 8)
		require.Len(t, walk(t, as, values("q", "\U0001D160", "limit", "1"), nil), 2)
	})
}
