package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
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

// profile is as large as the user of GET /users/me.
type profile struct {
	ID        account.ID   `json:"id" format:"uuid" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	Email     string       `json:"email" example:"ada@example.com"`
	FullName  string       `json:"full_name" example:"Ada Lovelace"`
	Role      account.Role `json:"role" enum:"user,admin" example:"user"`
	IsActive  bool         `json:"is_active"`
	AvatarURL *string      `json:"avatar_url"`
	Locale    *string      `json:"locale"`
	Timezone  *string      `json:"timezone"`
	CreatedAt httpapi.Time `json:"created_at"`
	UpdatedAt httpapi.Time `json:"updated_at"`
}

// ETag implements httpapi.ETagged.
func (profile) ETag() string { return `"8b9c0d1e2f3a4b5c-1"` }

type newProfile struct {
	Email    string `json:"email" format:"idn-email" maxLength:"254" example:"ada@example.com"`
	FullName string `json:"full_name" minLength:"1" maxLength:"100" example:"Ada Lovelace"`
	Locale   string `json:"locale,omitempty" maxLength:"35"`
}

var sample = profile{
	ID: account.NewID(), Email: "ada@example.com", FullName: "Ada Lovelace", Role: account.RoleUser, IsActive: true,
	CreatedAt: httpapi.Time(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)), UpdatedAt: httpapi.Time(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)),
}

func pipeline(b *testing.B) http.Handler {
	b.Helper()
	rt := httpapi.NewRouter("Bench", "Bench.", "1.0.0")
	limit := ratelimit.NewLimits().Declare("bench", ratelimit.Rate{Count: 1e6, Per: time.Second}, "bench")
	httpapi.Handle(rt, httpapi.Op{Method: "GET", Path: "/users/me", ID: "getMe", Tag: "Users", Summary: "Get", Description: "Gets.", Access: authz.SignedIn},
		func(ctx context.Context, _ struct{}) (profile, error) {
			p := sample
			p.ID = httpapi.Principal(ctx).Account
			return p, nil
		})
	httpapi.Handle(rt, httpapi.Op{Method: "POST", Path: "/users", ID: "createUser", Tag: "Users", Summary: "Create", Description: "Creates.", Access: authz.Public, Status: http.StatusCreated, Limit: limit},
		func(_ context.Context, in httpapi.Body[newProfile]) (profile, error) {
			p := sample
			p.Email, p.FullName = in.Body.Email, in.Body.FullName
			return p, nil
		})
	handler, err := rt.Serve(httpapi.Dependencies{
		Settings:      &httpapi.Settings{MaxBody: 1 << 20, MaxHeader: 64 << 10},
		Authenticator: fakeAuth{"user": {Account: sample.ID, Session: account.NewSessionID(), Role: account.RoleUser}},
		Limiter:       ratelimit.NewMemory(clock.System{}, 0),
		Logger:        slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	require.NoError(b, err)
	return handler
}

func bare() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/me", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(sample)
	})
	mux.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
		var in newProfile
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p := sample
		p.Email, p.FullName = in.Email, in.FullName
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(p)
	})
	return mux
}

// sink is a ResponseWriter that costs nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }

func (s *sink) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return len(p), nil
}

func benchmarkInProcess(b *testing.B, h http.Handler, method, path, body string, want int) {
	b.Helper()
	r := httptest.NewRequest(method, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer user")
	r.Header.Set("User-Agent", "bench/1.0")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = int64(len(body))
	}
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		if body != "" {
			r.Body = io.NopCloser(strings.NewReader(body))
		}
		h.ServeHTTP(w, r)
	}
	require.Equal(b, want, w.status)
}

const newProfileBody = `{"email":"ada@example.com","full_name":"Ada Lovelace","locale":"en-GB"}`

func BenchmarkGet(b *testing.B) {
	b.Run("pipeline", func(b *testing.B) { benchmarkInProcess(b, pipeline(b), "GET", "/users/me", "", 200) })
	b.Run("bare", func(b *testing.B) { benchmarkInProcess(b, bare(), "GET", "/users/me", "", 200) })
}

func BenchmarkPost(b *testing.B) {
	b.Run("pipeline", func(b *testing.B) { benchmarkInProcess(b, pipeline(b), "POST", "/users", newProfileBody, 201) })
	b.Run("bare", func(b *testing.B) { benchmarkInProcess(b, bare(), "POST", "/users", newProfileBody, 201) })
}

func benchmarkSocket(b *testing.B, h http.Handler) {
	b.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	client := srv.Client()
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, srv.URL+"/users/me", http.NoBody)
		req.Header.Set("Authorization", "Bearer user")
		res, err := client.Do(req)
		require.NoError(b, err)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

func BenchmarkGetOverASocket(b *testing.B) {
	b.Run("pipeline", func(b *testing.B) { benchmarkSocket(b, pipeline(b)) })
	b.Run("bare", func(b *testing.B) { benchmarkSocket(b, bare()) })
}
