package contract_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

// theatre is what the proofs of a section share on one store: apps on one database, folder and clock, and two users.
type theatre struct {
	t           *testing.T // of the section: what is served lives as long
	db          testkit.Database
	clk         *clock.Fake
	folder      string
	plain       *testkit.API // without limits
	apps        map[string]*testkit.API
	user, admin testkit.User
	signedIn    time.Time
	addresses   int
}

func newTheatre(t *testing.T, db testkit.Database) *theatre {
	t.Helper()
	h := &theatre{t: t, db: db, clk: clock.NewFake(time.Now()), folder: t.TempDir(), apps: map[string]*testkit.API{}}
	h.plain = h.serve()
	h.user, h.admin = h.plain.User(), h.plain.Admin()
	h.signedIn = h.clk.Now()
	return h
}

// serve serves the same database with other settings, each as path=value.
func (h *theatre) serve(settings ...string) *testkit.API {
	key := strings.Join(settings, " ")
	if h.apps[key] == nil {
		h.apps[key] = testkit.Serve(h.t, h.db, h.options(settings)...)
	}
	return h.apps[key]
}

func (h *theatre) options(settings []string) []testkit.Option {
	opts := []testkit.Option{testkit.WithClock(h.clk), toNobody(), testkit.WithSetting("data_dir", h.folder), testkit.WithSetting("http.trusted_proxies", "127.0.0.0/8")}
	for _, s := range settings {
		path, value, _ := strings.Cut(s, "=")
		opts = append(opts, testkit.WithSetting(path, value))
		if strings.HasPrefix(path, "password.") {
			opts = append(opts, testkit.WithPasswordCost())
		}
	}
	return opts
}

// begin readies the stage for one proof. Who was signed out by time is signed in again.
func (h *theatre) begin(t *testing.T) *stage {
	t.Helper()
	if h.clk.Now().Sub(h.signedIn) > time.Minute {
		h.plain.LogIn(&h.user)
		h.plain.LogIn(&h.admin)
		h.signedIn = h.clk.Now()
	}
	return &stage{T: t, theatre: h, api: h.plain.For(t), user: h.user, admin: h.admin}
}

// stage is what a proof has. Whoever it changes beyond their profile it makes itself.
type stage struct {
	*testing.T

	*theatre

	api         *testkit.API // without limits
	user, admin testkit.User
}

// with gives a client of the same service with other settings, each as path=value.
func (s *stage) with(settings ...string) *testkit.API { return s.serve(settings...).For(s.T) }

// limited gives a client of the same service with limits, at an address that nobody else has.
func (s *stage) limited(settings ...string) *testkit.API {
	return s.elsewhere(s.with(append(settings, "ratelimit.enabled=true")...))
}

// elsewhere gives the client another address.
func (s *stage) elsewhere(api *testkit.API) *testkit.API {
	return api.WithHeader("X-Forwarded-For", s.address())
}

func (s *stage) address() string {
	s.addresses++
	return fmt.Sprintf("198.51.%d.%d", s.addresses/250, s.addresses%250+1)
}

// another serves a service of its own, on a database like the stage's.
func (s *stage) another(settings ...string) *testkit.API {
	db := testkit.SQLite(s.T)
	if s.db.Engine == database.PostgreSQL {
		db = testkit.Postgres(s.T)
	}
	return testkit.Serve(s.T, db, s.options(append(settings, "data_dir="+s.TempDir()))...)
}

func (s *stage) asUser() *testkit.API  { return s.api.As(s.user) }
func (s *stage) asAdmin() *testkit.API { return s.api.As(s.admin) }

// signIn starts another session of a user.
func (s *stage) signIn(u testkit.User) testkit.User {
	s.api.LogIn(&u)
	return u
}

// mailed gives the token of the newest link to a page that was mailed to an address, once the jobs are worked.
func (s *stage) mailed(address, page string) string {
	s.api.WorkJobs()
	return lastToken(s.T, s.api, testkit.User{Email: address}, page)
}

// pictures lists the files that are kept of avatars.
func (s *stage) pictures() []string {
	names, err := filepath.Glob(filepath.Join(s.folder, "blobs", "avatars", "*"))
	require.NoError(s.T, err)
	return names
}

// members reads an object.
func (s *stage) members(r *testkit.Response) map[string]any {
	var m map[string]any
	require.NoError(s.T, json.Unmarshal(r.Body, &m), "%s", r.Body)
	return m
}

// names lists an object's members in order.
func names(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// userMembers are those of a User, in order.
var userMembers = []string{
	"avatar_url", "created_at", "email", "email_verified", "full_name", "id", "is_active", "last_login_at", "locale", "role", "timezone", "updated_at",
}

// isUser wants an answer to be a User with this status.
func (s *stage) isUser(r *testkit.Response, status int) map[string]any {
	m := s.members(r.Status(status))
	require.Equal(s.T, userMembers, names(m))
	return m
}

// refused wants 429, and gives the seconds to wait.
func (s *stage) refused(r *testkit.Response) string {
	r.Problem(http.StatusTooManyRequests, "RATE_LIMITED")
	return r.Header.Get("Retry-After")
}

// policy wants the headers of a limit on an answer.
func (s *stage) policy(r *testkit.Response, name string, count int) {
	require.Equal(s.T, fmt.Sprintf("%q;q=%d;w=60", name, count), r.Header.Get("RateLimit-Policy"), "%d", r.StatusCode)
	require.Regexp(s.T, fmt.Sprintf(`^"%s";r=\d+;t=\d+$`, name), r.Header.Get("RateLimit"), "%d", r.StatusCode)
}

// emptyBody has an answer without a body, whatever the status.
func (s *stage) emptyBody(r *testkit.Response) { require.Empty(s.T, r.Body) }
