package sessions

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLivesThatNoSessionCanHaveAreReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings Settings
		faults   []string
	}{
		"the defaults":            {Settings{Idle: 24 * time.Hour, Absolute: 720 * time.Hour, ReuseLeeway: 10 * time.Second}, nil},
		"strict":                  {Settings{Idle: 24 * time.Hour, Absolute: 720 * time.Hour}, nil},
		"leeway below zero":       {Settings{Idle: time.Hour, Absolute: time.Hour, ReuseLeeway: -1}, []string{"reuse_leeway"}},
		"leeway too long":         {Settings{Idle: time.Hour, Absolute: time.Hour, ReuseLeeway: time.Minute + 1}, []string{"reuse_leeway"}},
		"idle too short":          {Settings{Idle: time.Second, Absolute: time.Hour}, []string{"idle"}},
		"absolute before idle":    {Settings{Idle: time.Hour, Absolute: time.Minute}, []string{"absolute"}},
		"nothing can be as short": {Settings{}, []string{"idle"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var found []string
			c.settings.Check(func(field, _ string) { found = append(found, field) })
			require.Equal(t, c.faults, found)
		})
	}
}

func TestAStateIsLiveUntilEitherLifeEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		state state
		live  bool
	}{
		"both lives go on":    {state{idleExpiresAt: now.Add(1), expiresAt: now.Add(1)}, true},
		"idle ends now":       {state{idleExpiresAt: now, expiresAt: now.Add(1)}, false},
		"absolute ends now":   {state{idleExpiresAt: now.Add(1), expiresAt: now}, false},
		"ended before either": {state{idleExpiresAt: now.Add(1), expiresAt: now.Add(1), ended: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.live, c.state.live(now))
		})
	}
}
