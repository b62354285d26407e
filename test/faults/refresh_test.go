package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/test/drive"
)

// refresher is a client that keeps its session over kills of the server.
type refresher struct {
	token    string // the last that an answer gave
	answered int
	fault    string
}

// refresh uses the token, and keeps it where no answer came.
func (r *refresher) refresh(s *drive.Server) drive.Answer {
	a := s.Send(http.MethodPost, "/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, r.token))
	switch a.Status {
	case http.StatusOK:
		var got struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := json.Unmarshal(a.Body, &got); err != nil || got.RefreshToken == "" || got.RefreshToken == r.token {
			r.fault = fmt.Sprintf("%v: %s", err, a.Body)
		}
		r.token = got.RefreshToken
		r.answered++
	case 0, http.StatusServiceUnavailable:
	default:
		r.fault = fmt.Sprintf("%d: %s", a.Status, a.Body)
	}
	return a
}

// TestKillsDuringRefreshesLogNobodyOut: whoever got an answer goes on with its token, since it is durable; whoever did not
// goes on with the one before, whether or not the server had got as far as replacing it. It takes longer than five
// seconds: each round starts a process and kills it.
func TestKillsDuringRefreshesLogNobodyOut(t *testing.T) {
	t.Parallel()
	stores := map[string]func(t *testing.T) string{"sqlite": func(t *testing.T) string { t.Helper(); return "data_dir=" + t.TempDir() }}
	if hasPostgres() {
		stores["postgres"] = func(t *testing.T) string { t.Helper(); return "database.url=" + startPostgres(t).URL }
	}
	for name, setting := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []string{"auth.session.reuse_leeway=1m", "database.pool_min=1", noLimits, setting(t)}
			if name == "postgres" {
				settings = append(settings, "data_dir="+t.TempDir())
			}
			s := drive.Start(t, settings...)
			var clients []*refresher
			for i := range 8 {
				email := fmt.Sprintf("refresh-%d@example.com", i)
				require.Equal(t, http.StatusCreated, s.Register(email).Status)
				_, a := s.LogIn(email)
				var got struct {
					RefreshToken string `json:"refresh_token"`
				}
				require.NoError(t, json.Unmarshal(a.Body, &got))
				clients = append(clients, &refresher{token: got.RefreshToken})
			}
			rounds := often(5, 200)
			for range rounds {
				var wg sync.WaitGroup
				for _, c := range clients {
					wg.Go(func() {
						for range 10_000 {
							if c.refresh(s).Status == 0 {
								return // the server is gone
							}
						}
					})
				}
				pause := time.NewTimer(time.Duration(50+rand.IntN(200)) * time.Millisecond)
				<-pause.C
				s.Kill()
				wg.Wait()
				s.Start()
			}
			answered := 0
			for _, c := range clients {
				require.Equal(t, http.StatusOK, c.refresh(s).Status)
				require.Empty(t, c.fault)
				answered += c.answered
			}
			t.Logf("%d refreshes answered over %d kills", answered, rounds)
		})
	}
}
