package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/test/drive"
	"github.com/gatehouse/gatehouse/testkit"
)

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// TestInstancesBehindAPoolerAreOneService runs two with a transaction pooler between them and PostgreSQL, and no Redis:
// accounts, a burst at one refresh token, and a logout that the other instance hears of.
func TestInstancesBehindAPoolerAreOneService(t *testing.T) {
	t.Parallel()
	if os.Getenv(testkit.PgBouncerVariable) == "" {
		return
	}
	db := databasetest.Pooled(t)
	settings := []string{
		noLimits, "data_dir=" + t.TempDir(), "database.pool_min=1",
		"database.url=" + db.URL, "database.direct_url=" + db.DirectURL, "database.pooler=transaction",
	}
	a, b := drive.Start(t, settings...), drive.Start(t, settings...)
	r := a.Register("ada@example.com")
	require.Equal(t, http.StatusCreated, r.Status, "%s", r.Body)
	_, r = b.LogIn("ada@example.com")
	require.Equal(t, http.StatusOK, r.Status, "%s", r.Body)
	var first tokens
	require.NoError(t, json.Unmarshal(r.Body, &first))

	answers := make([]drive.Answer, 20)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() {
			answers[i] = []*drive.Server{a, b}[i%2].Send(http.MethodPost, "/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, first.Refresh))
		})
	}
	group.Wait()
	var next tokens
	successors := map[string]bool{}
	for _, r := range answers {
		require.Equal(t, http.StatusOK, r.Status, "%s", r.Body)
		require.NoError(t, json.Unmarshal(r.Body, &next))
		successors[next.Refresh] = true
	}
	require.Len(t, successors, 1)

	me := func(s *drive.Server) int { return s.Send(http.MethodGet, "/users/me", next.Access, "").Status }
	require.Equal(t, http.StatusOK, me(a))
	require.Equal(t, http.StatusOK, me(b))
	require.Equal(t, http.StatusNoContent, a.Send(http.MethodPost, "/auth/logout", next.Access, "").Status)
	require.Equal(t, http.StatusUnauthorized, me(a))
	require.Eventually(t, func() bool { return me(b) == http.StatusUnauthorized }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, http.StatusUnauthorized, b.Send(http.MethodPost, "/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, next.Refresh)).Status)
}
