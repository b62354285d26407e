package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/token"
)

// opened gives an open app on a database, which sees the time of clk.
func opened(t *testing.T, clk clock.Clock, log *bytes.Buffer, dir string) *App {
	t.Helper()
	a, err := New(Standard, Options{Clock: clk, Logs: log})
	require.NoError(t, err)
	_, err = a.Load(config.Source{Args: map[string]string{"data_dir": dir, "log.format": "json", "ops.addr": ""}})
	require.NoError(t, err)
	require.NoError(t, a.Open(t.Context()))
	return a
}

func publishes(a *App, kid string) bool {
	body, _ := a.Stores.PublicKeys()
	return strings.Contains(string(body), kid)
}

// In the bubble five seconds pass as soon as everybody waits.
func TestAServingProcessFollowsTheKeysAndTheSchedule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		clk := clock.NewFake(examineStart)
		var logHere, logThere bytes.Buffer
		here, there := opened(t, clk, &logHere, dir), opened(t, clk, &logThere, dir)
		defer here.Close(context.Background())
		defer there.Close(context.Background())
		stopHere := here.keepKeys(t.Context())
		stopThere := there.keepKeys(t.Context())

		made, err := here.RotateKeys(t.Context())
		require.NoError(t, err)
		require.True(t, publishes(here, made.ID), "at once")
		time.Sleep(token.ReloadInterval)
		synctest.Wait()
		require.True(t, publishes(there, made.ID), "before it signs")

		clk.Advance(90 * 24 * time.Hour)
		time.Sleep(2 * token.ReloadInterval)
		synctest.Wait()
		keys, err := here.SigningKeys(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 2, "one of the two processes has made one key, and the one that expired is gone")
		require.Equal(t, clk.Now().Add(24*time.Hour), *keys[1].SignsFrom)
		require.True(t, publishes(here, keys[1].ID))
		require.True(t, publishes(there, keys[1].ID))
		stopHere()
		stopThere()
		require.Equal(t, 1, strings.Count(logHere.String()+logThere.String(), "the next signing key is published"))

		made, err = there.RotateKeys(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.False(t, publishes(here, made.ID), "it has stopped")
	})
}

func TestAFailureIsToldOnceUntilItChangesAndItsEndIsToo(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := outcome{logger: slog.New(slog.NewTextHandler(&log, nil)), what: "look"}
	first, second := errors.New("first"), errors.New("second")
	for _, err := range []error{nil, first, first, second, second, first, nil, nil, first} {
		o.note(t.Context(), err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	o.note(stopped, second)
	var said []string
	for line := range strings.Lines(log.String()) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), "msg=")
		said = append(said, rest)
	}
	const fails, goesOn = `"work in the background fails, trying again" work=look cause=`, `"work in the background goes on" work=look`
	require.Equal(t, []string{fails + "first", fails + "second", fails + "first", goesOn, fails + "first"}, said)
}

func TestExamineSaysWhenTheNextSigningKeyComes(t *testing.T) {
	t.Parallel()
	set := map[string]string{"data_dir": t.TempDir()}
	clk := clock.NewFake(examineStart)
	examine := func() []Finding {
		t.Helper()
		a := loaded(t, set)
		a.options.Clock, a.Stores.Clock = clk, clk
		return a.Examine(t.Context())
	}
	setUp(t, set)
	requireFinding(t, examine(), LevelOK, "signing keys", "the next is published on 2027-02-19T12:00:00Z")
	clk.Advance(89 * 24 * time.Hour)
	requireFinding(t, examine(), LevelOK, "signing keys", "the next is published on 2027-02-19T12:00:00Z")
	clk.Advance(2 * time.Hour)
	requireFinding(t, examine(), LevelWarn, "signing keys", "should have been published on 2027-02-19T12:00:00Z")

	a := loaded(t, set)
	a.options.Clock, a.Stores.Clock = clk, clk
	defer a.Close(context.Background())
	require.NoError(t, a.Open(t.Context()))
	_, err := a.Stores.keys.RotateIfDue(t.Context())
	require.NoError(t, err)
	requireFinding(t, examine(), LevelOK, "signing keys", "the next is published and signs from 2027-02-20T14:00:00Z")
}

func TestThereAreNoSigningKeysBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	set := map[string]string{"data_dir": t.TempDir(), "database.migrate": "off"}
	keys, err := loaded(t, set).SigningKeys(t.Context())
	require.NoError(t, err)
	require.Empty(t, keys)
	a := loaded(t, set) // a database without tables
	require.NoError(t, a.OpenDatabase(t.Context()))
	a.Close(context.Background())
	keys, err = loaded(t, set).SigningKeys(t.Context())
	require.NoError(t, err)
	require.Empty(t, keys)
}
