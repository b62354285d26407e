package e2e_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/test/drive"
)

// TestStatement5LoginTakesAsLongForWhomNobodyKnows times wrong passwords for accounts that are and for accounts that are
// not, in turn. It is one of the long tests. Over a thousand pairs the two are equivalent within 1 ms: two one-sided sign tests
// at 5 %, which is that the 90 % interval of the median difference lies inside.
func TestStatement5LoginTakesAsLongForWhomNobodyKnows(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_SOAK") == "" {
		return
	}
	each(t, func(t *testing.T, settings []string) {
		s := drive.Start(t, append(settings, "redis.prefix=timing", "ratelimit.register=1000000/1m", "ratelimit.login=1000000/1m", "ratelimit.login_failure=1000000/15m", "log.level=warn")...)
		const accounts = 20
		for i := range accounts {
			require.Equal(t, http.StatusCreated, s.Register(fmt.Sprintf("known-%d@example.com", i)).Status)
		}
		client := &http.Client{Timeout: 15 * time.Second} // keeps its connection, so that the time is the answer's alone
		ask := func(who string, i int) time.Duration {
			body := fmt.Sprintf(`{"email":"%s-%d@example.com","password":"Wrong-Password-1"}`, who, i%accounts)
			begun := time.Now()
			res, err := client.Post(s.URL+"/auth/login", "application/json", strings.NewReader(body))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, res.Body)
			took := time.Since(begun)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusBadRequest, res.StatusCode)
			return took
		}
		for i := range accounts { // so that each has failed before
			ask("known", i)
			ask("nobody", i)
		}
		const pairs = 1000
		differences := make([]time.Duration, pairs)
		for i := range pairs {
			if i%2 == 0 {
				differences[i] = ask("known", i) - ask("nobody", i)
			} else {
				nobody := ask("nobody", i)
				differences[i] = ask("known", i) - nobody
			}
		}
		slices.Sort(differences)
		reach := int(math.Ceil(1.645 * math.Sqrt(float64(pairs)) / 2)) // of the sign test, on both sides of the middle
		low, high := differences[pairs/2-reach], differences[pairs/2+reach]
		t.Logf("median difference %s, 90 %% interval %s to %s", differences[pairs/2], low, high)
		require.Less(t, -time.Millisecond, low)
		require.Less(t, high, time.Millisecond)
	})
}
