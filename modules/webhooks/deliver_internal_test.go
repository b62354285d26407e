package webhooks

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
)

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "0": 0, "Sat, 31 Jan 2026 09:31:00 GMT": time.Minute, "Sat, 31 Jan 2026 09:00:00 GMT": 0,
		"": -1, "-1": -1, "1.5": -1, "soon": -1, "99999999999999999999": -1,
	} {
		after, ok := retryAfter(text, now)
		require.Equal(t, want >= 0, ok, text)
		require.Equal(t, max(want, 0), after, text)
	}
}

func TestLanesKeepTheOrderOfASubjectAndThePlaceOfAFault(t *testing.T) {
	t.Parallel()
	var batch []event.Envelope
	for i := range 60 {
		batch = append(batch, event.Envelope{Subject: account.ID{15: byte(i % 7)}, Source: fmt.Sprint(i)})
	}
	var mu sync.Mutex
	order := map[account.ID][]string{}
	faults := inLanes(batch, func(lane []event.Envelope) []error {
		out := make([]error, len(lane))
		for i, e := range lane {
			mu.Lock()
			order[e.Subject] = append(order[e.Subject], e.Source)
			mu.Unlock()
			out[i] = fmt.Errorf("%s", e.Source)
		}
		return out
	})
	want := map[account.ID][]string{}
	for i, e := range batch {
		want[e.Subject] = append(want[e.Subject], e.Source)
		require.EqualError(t, faults[i], e.Source)
	}
	require.Equal(t, want, order)
}

func TestSettingsOutOfBoundsAreReported(t *testing.T) {
	t.Parallel()
	good := Settings{DisableAfter: 5 * day, SecretOverlap: day, LogRetention: 7 * day}
	for field, change := range map[string]func(*Settings){
		"":               func(*Settings) {},
		"disable_after":  func(s *Settings) { s.DisableAfter = time.Minute },
		"secret_overlap": func(s *Settings) { s.SecretOverlap = 31 * day },
		"log_retention":  func(s *Settings) { s.LogRetention = 0 },
	} {
		s, found := good, ""
		change(&s)
		s.Check(func(f, _ string) { found = f })
		require.Equal(t, field, found)
	}
}
