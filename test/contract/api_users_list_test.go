package contract_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// listedUser is what lists are sorted and filtered by.
type listedUser struct {
	ID        string     `json:"id"`
	Email     string     `json:"email"`
	FullName  string     `json:"full_name"`
	Role      string     `json:"role"`
	IsActive  bool       `json:"is_active"`
	CreatedAt time.Time  `json:"created_at"`
	LastLogin *time.Time `json:"last_login_at"`
}

type listedPage struct {
	Items []listedUser `json:"items"`
	Next  *string      `json:"next_cursor"`
}

func userLists() []proof {
	return []proof{
		{says: `?limit= 1 to 100 (default 20, may change between pages).`, prove: func(s *stage) {
			s.crowd(130)
			require.Len(s.T, s.page("").Items, 20)
			require.Len(s.T, s.page("limit=100").Items, 100)
			for _, limit := range []string{"0", "101", "-1", "99999999999999999999"} {
				s.asAdmin().Get("/users?limit=" + limit).Invalid("limit out_of_range")
			}
			for _, limit := range []string{"", "x", "1.0", "01", "1e1", "%2B1"} {
				s.asAdmin().Get("/users?limit=" + limit).Invalid("limit invalid_format")
			}
			first := s.page("limit=3")
			second := s.page("limit=7&cursor=" + *first.Next)
			require.Equal(s.T, ids(s.page("limit=10").Items), append(ids(first.Items), ids(second.Items)...))
		}},
		{says: `?cursor= opaque and authenticated.`, prove: func(s *stage) {
			s.crowd(5)
			cursor := *s.page("limit=1&sort=email").Next
			require.NotContains(s.T, cursor, "@")
			require.Regexp(s.T, `^[A-Za-z0-9_-]+$`, cursor)
			for i := range cursor {
				other := byte('A')
				if cursor[i] == other {
					other = 'B'
				}
				if i%7 == 0 || i == len(cursor)-1 {
					s.asAdmin().Get("/users?limit=1&sort=email&cursor=" + cursor[:i] + string(other) + cursor[i+1:]).Invalid("cursor invalid_format")
				}
			}
		}},
		{says: `?sort= one of created_at, email, full_name, last_login_at (never = oldest), - for descending (default -created_at).`, prove: func(s *stage) {
			s.crowd(12)
			orders := map[string]func(a, b listedUser) int{
				"created_at": func(a, b listedUser) int { return a.CreatedAt.Compare(b.CreatedAt) },
				"email":      func(a, b listedUser) int { return cmp.Compare(account.Fold(a.Email), account.Fold(b.Email)) },
				"full_name":  func(a, b listedUser) int { return cmp.Compare(account.Fold(a.FullName), account.Fold(b.FullName)) },
				"last_login_at": func(a, b listedUser) int {
					return cmp.Or(cmp.Compare(boolean(a.LastLogin != nil), boolean(b.LastLogin != nil)), orZero(a.LastLogin).Compare(orZero(b.LastLogin)))
				},
			}
			for sort, order := range orders {
				up, down := s.page("limit=100&sort="+sort).Items, s.page("limit=100&sort=-"+sort).Items
				require.True(s.T, slices.IsSortedFunc(up, order), sort)
				require.True(s.T, slices.IsSortedFunc(down, func(a, b listedUser) int { return order(b, a) }), sort)
			}
			require.Nil(s.T, s.page("limit=1&sort=last_login_at").Items[0].LastLogin)
			require.Equal(s.T, ids(s.page("sort=-created_at").Items), ids(s.page("").Items))
			for _, sort := range []string{"id", "role", "Email", "email,full_name", "--email", "%2Bemail", "password_hash", ""} {
				s.asAdmin().Get("/users?sort=" + sort).Invalid("sort not_allowed")
			}
		}},
		{says: `Filters ?role=, ?is_active=, ?created_after=, ?created_before=.`, prove: func(s *stage) {
			s.crowd(12)
			all := s.page("limit=100&sort=created_at").Items
			middle := all[len(all)/2].CreatedAt
			at := url.QueryEscape(middle.Format("2006-01-02T15:04:05.000000Z07:00"))
			for query, holds := range map[string]func(listedUser) bool{
				"role=admin": func(u listedUser) bool { return u.Role == "admin" }, "role=user": func(u listedUser) bool { return u.Role == "user" },
				"is_active=false": func(u listedUser) bool { return !u.IsActive }, "is_active=true": func(u listedUser) bool { return u.IsActive },
				"created_after=" + at: func(u listedUser) bool { return u.CreatedAt.After(middle) }, "created_before=" + at: func(u listedUser) bool { return u.CreatedAt.Before(middle) },
				"role=user&is_active=true&created_after=" + at: func(u listedUser) bool { return u.Role == "user" && u.IsActive && u.CreatedAt.After(middle) },
			} {
				want := slices.DeleteFunc(slices.Clone(all), func(u listedUser) bool { return !holds(u) })
				require.NotEmpty(s.T, want, query)
				require.Equal(s.T, ids(want), ids(s.page("limit=100&sort=created_at&"+query).Items), query)
			}
			for query, fault := range map[string]string{
				"role=god": "role not_allowed", "role=": "role not_allowed", "is_active=1": "is_active invalid_format", "created_after=2026-01-31": "created_after invalid_format",
				"created_before=yesterday": "created_before invalid_format", "created_before=": "created_before invalid_format",
			} {
				s.asAdmin().Get("/users?" + query).Invalid(fault)
			}
		}},
		{says: `?q= matches prefixes of e-mail, then of name, case-insensitively and literally (%, _), in a fixed order (sort with q is 400).`, prove: func(s *stage) {
			s.insert(
				[2]string{"zed_1@example.com", "Nobody"}, [2]string{"zed%2@example.com", "Nobody"}, [2]string{"ZedX3@example.com", "Nobody"}, [2]string{"first@example.com", "zed zulu"}, [2]string{"second@example.com", "ZED ALPHA"},
				[2]string{"zed4@example.com", "Zed of both"}, [2]string{"notzed@example.com", "Not Zed"}, [2]string{"a@straße.example", "Straße"},
			)
			found := func(q string) (all []string) {
				for _, u := range s.page("q=" + url.QueryEscape(q)).Items {
					all = append(all, u.Email)
				}
				return all
			}
			require.Equal(s.T, []string{"zed%2@example.com", "zed4@example.com", "zed_1@example.com", "ZedX3@example.com", "second@example.com", "first@example.com"}, found("zEd"))
			require.Equal(s.T, []string{"zed_1@example.com"}, found("zed_"))
			require.Equal(s.T, []string{"zed%2@example.com"}, found("zed%"))
			require.Equal(s.T, []string{"a@straße.example"}, found("A@STRASSE"))
			require.Equal(s.T, []string{"a@straße.example"}, found("STRASSE"))
			require.Empty(s.T, found("%"))
			s.asAdmin().Get("/users?q=zed&sort=email").Invalid("sort not_allowed")
			s.asAdmin().Get("/users?q=zed&sort=-created_at").Invalid("sort not_allowed")
			s.asAdmin().Get("/users?q=").Invalid("q too_short")
			require.Equal(s.T, found("zed"), s.walk("q=zed", 1, func(u listedUser) string { return u.Email }))
		}},
		{says: `Filters go with the created_at sorts or q, with another sort they are 400.`, prove: func(s *stage) {
			for _, filter := range []string{"role=user", "is_active=true", "created_after=2026-01-31T00:00:00Z", "created_before=2026-01-31T00:00:00Z"} {
				for _, sort := range []string{"email", "-email", "full_name", "-full_name", "last_login_at", "-last_login_at"} {
					name, _, _ := strings.Cut(filter, "=")
					s.asAdmin().Get("/users?sort=" + sort + "&" + filter).Invalid(name + " not_allowed")
				}
				for _, beside := range []string{"", "sort=created_at&", "sort=-created_at&", "q=a&"} {
					s.asAdmin().Get("/users?" + beside + filter).Status(http.StatusOK)
				}
			}
		}},
		{says: `→ {"items": [User], "next_cursor": string|null} and Link: <…>; rel="next".`, prove: func(s *stage) {
			s.crowd(5)
			r := s.asAdmin().Get("/users?limit=2&role=user").Status(http.StatusOK)
			page := s.members(r)
			require.Equal(s.T, []string{"items", "next_cursor"}, names(page))
			for _, item := range page["items"].([]any) {
				require.Equal(s.T, userMembers, names(item.(map[string]any)))
			}
			link := r.Header.Get("Link")
			require.Regexp(s.T, `^<[^>]+>; rel="next"$`, link)
			next := s.members(s.asAdmin().Get(link[1:strings.IndexByte(link, '>')]).Status(http.StatusOK))
			direct := s.members(s.asAdmin().Get("/users?limit=2&role=user&cursor=" + page["next_cursor"].(string)).Status(http.StatusOK))
			require.Equal(s.T, direct["items"], next["items"])
			last := s.asAdmin().Get("/users?q=nobody-begins-so").Status(http.StatusOK)
			require.JSONEq(s.T, `{"items":[],"next_cursor":null}`, string(last.Body))
			require.Empty(s.T, last.Header.Get("Link"))
		}},
		{says: `Walking the cursors meets every user that existed throughout exactly once, except one whose sort value changes meanwhile.`, prove: func(s *stage) {
			s.crowd(12)
			for _, query := range []string{"", "sort=created_at", "sort=email", "sort=-full_name", "sort=last_login_at", "sort=-last_login_at", "role=user", "q=crowd"} {
				var there []string
				for _, u := range s.page("limit=100&" + query).Items {
					there = append(there, u.ID)
				}
				late := 0
				met := s.walk(query, 3, func(u listedUser) string {
					if late++; late > 4 {
						return u.ID
					}
					s.insert([2]string{"late-" + s.address() + "@example.com", "Crowd, late"}) // others come meanwhile
					return u.ID
				})
				for _, id := range there {
					require.Equal(s.T, 1, count(met, id), query)
				}
			}
		}, elsewhere: []string{"modules/users TestAWalkMeetsEveryoneWhoStayedOnce"}},
		{says: `A cursor of another sort or filter, or a forged one, is 400.`, prove: func(s *stage) {
			s.crowd(5)
			cursor := *s.page("limit=1&role=user").Next
			s.asAdmin().Get("/users?limit=1&role=user&cursor=" + cursor).Status(http.StatusOK)
			for _, query := range []string{"", "role=admin", "role=user&is_active=true", "role=user&sort=created_at", "sort=email", "q=u", "role=user&created_after=2020-01-01T00:00:00Z"} {
				s.asAdmin().Get("/users?limit=1&cursor=" + cursor + "&" + query).Invalid("cursor invalid_format")
			}
			for _, forged := range []string{"x", "AAAA", strings.Repeat("A", 3000), cursor + "A", cursor[1:], cursor + "%0A"} {
				s.asAdmin().Get("/users?limit=1&role=user&cursor=" + forged).Invalid("cursor invalid_format")
			}
			other := s.another()
			other.As(other.Admin()).Get("/users?limit=1&role=user&cursor=" + cursor).Invalid("cursor invalid_format")
		}},
	}
}

// crowd leaves exactly as many users whom nobody can sign in as.
func (s *stage) crowd(n int) {
	_, err := s.api.App.Stores.DB.Exec(s.Context(), `DELETE FROM users WHERE full_name LIKE 'Crowd%'`)
	require.NoError(s.T, err)
	people := make([][2]string, n)
	for i := range people {
		people[i] = [2]string{fmt.Sprintf("crowd-%s@example.com", s.address()), fmt.Sprintf("Crowd %03d", (i*7)%n)}
	}
	s.insert(people...)
}

// insert puts people into the table, by address and name. Some are not active, and some have signed in.
func (s *stage) insert(people ...[2]string) {
	now := s.clk.Now()
	require.NoError(s.T, s.api.App.Stores.DB.InTx(s.Context(), func(ctx context.Context, tx *database.Tx) error {
		for i, p := range people {
			email, err := account.ParseEmail(p[0])
			require.NoError(s.T, err)
			created := now.Add(-time.Duration(1000+s.addresses*10+i) * time.Second)
			var login *time.Time
			if i%3 == 1 {
				login = &created
			}
			if _, err := tx.Exec(ctx, `
				INSERT INTO users (id, email, email_canonical, email_folded, email_verified, full_name, full_name_folded, role, is_active, version, created_at, updated_at, last_login_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				account.NewID(), email.String(), email.Canonical(), account.Fold(email.String()), true, p[1], account.Fold(p[1]), account.RoleUser, i%4 != 3, 1, created, created, login); err != nil {
				return err
			}
		}
		return nil
	}))
}

// page reads a page.
func (s *stage) page(query string) (p listedPage) {
	r := s.asAdmin().Get("/users?" + query).Status(http.StatusOK)
	require.NoError(s.T, json.Unmarshal(r.Body, &p))
	return p
}

// walk follows the cursors to the end, and gives what was seen of each.
func (s *stage) walk(query string, limit int, see func(listedUser) string) (seen []string) {
	p := s.page(fmt.Sprintf("limit=%d&%s", limit, query))
	for pages := 1; ; pages++ {
		for _, u := range p.Items {
			seen = append(seen, see(u))
		}
		if p.Next == nil {
			return seen
		}
		require.Less(s.T, pages, 1000)
		if pages%4 == 0 {
			limit = 100 // the rest faster
		}
		p = s.page(fmt.Sprintf("limit=%d&%s&cursor=%s", limit, query, *p.Next))
	}
}

func ids(all []listedUser) []string {
	found := make([]string, len(all))
	for i, u := range all {
		found[i] = u.ID
	}
	return found
}

func count(all []string, one string) (n int) {
	for _, each := range all {
		if each == one {
			n++
		}
	}
	return n
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
