package faults_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/test/drive"
)

const (
	timedPairs  = 1000
	timedTries  = 3                // a machine that is busy with something else may spoil one
	equalWithin = time.Millisecond // what a stranger may not be able to tell apart
)

// TestAnswersTakeTheSameTimeForKnownAndUnknownAccounts is one of the long tests. It asks in pairs, known and unknown, that
// take turns in going first, and wants both one-sided tests of equivalence to hold at 95 %.
func TestAnswersTakeTheSameTimeForKnownAndUnknownAccounts(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_SOAK") == "" {
		return
	}
	// One after the other, since it is time that is looked at.
	t.Run("sqlite", func(t *testing.T) { takesTheSameTime(t) })
	if hasPostgres() {
		t.Run("postgres", func(t *testing.T) { takesTheSameTime(t, "database.url="+startPostgres(t).URL) })
	}
}

func takesTheSameTime(t *testing.T, store ...string) {
	t.Helper()
	s := drive.Start(t, append(store, noLimits, "data_dir="+t.TempDir(), "password.memory=7MiB", "password.time=5")...)
	require.Equal(t, http.StatusCreated, s.Register("ada@example.com").Status)
	for path, body := range map[string]string{
		"/auth/login":               `{"email":%q,"password":"Wrong-Password-1"}`,
		"/auth/forgot-password":     `{"email":%q}`,
		"/auth/verify-email/resend": `{"email":%q}`,
	} {
		equal := false
		for try := 0; try < timedTries && !equal; try++ {
			low, high := interval(differences(t, s, path, body))
			t.Logf("%s: known - unknown is %s to %s", path, low, high)
			equal = low > -equalWithin && high < equalWithin
		}
		require.True(t, equal, path)
	}
}

// differences gives, for each pair, how much longer the known account took.
func differences(t *testing.T, s *drive.Server, path, body string) []time.Duration {
	t.Helper()
	ask := func(email string) time.Duration {
		start := time.Now()
		require.Less(t, s.Send(http.MethodPost, path, "", fmt.Sprintf(body, email)).Status, http.StatusInternalServerError)
		return time.Since(start)
	}
	all := make([]time.Duration, 0, timedPairs)
	for i := range timedPairs {
		stranger := fmt.Sprintf("x%d@example.com", i%10)
		if i%2 == 0 {
			known := ask("ada@example.com")
			all = append(all, known-ask(stranger))
			continue
		}
		unknown := ask(stranger)
		all = append(all, ask("ada@example.com")-unknown)
	}
	return all
}

// interval gives the 90 % confidence interval of the mean, whose lying within bounds is the two one-sided tests at 95 %. A
// tenth at either end, where other work of the machine is, does not count.
func interval(all []time.Duration) (low, high time.Duration) {
	slices.Sort(all)
	all = all[len(all)/10 : len(all)-len(all)/10]
	var sum, squares float64
	for _, d := range all {
		sum += float64(d)
	}
	mean := sum / float64(len(all))
	for _, d := range all {
		squares += (float64(d) - mean) * (float64(d) - mean)
	}
	const quantile = 1.645
	half := quantile * math.Sqrt(squares/float64(len(all)-1)/float64(len(all)))
	return time.Duration(mean - half), time.Duration(mean + half)
}
