package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/brokertest"
	"github.com/gatehouse/gatehouse/test/drive"
)

// updatedLabel is the type that these tests tell in great numbers.
const updatedLabel = "gatehouse.user.updated.v1"

// TestABrokerThatIsAwayAndKilledWorkersLoseNoEvent tells events while the broker is away and workers are killed, then has a
// third of the sends cut between transfer and disposition while more are killed. With TEST_SOAK the broker is away for five
// minutes, 20,000 events and twenty kills; nothing runs beside it then, and requests take as long as before.
func TestABrokerThatIsAwayAndKilledWorkersLoseNoEvent(t *testing.T) {
	if !brokertest.Available() {
		return
	}
	if !long() {
		t.Parallel()
	}
	t.Run("sqlite", func(t *testing.T) {
		if !long() {
			t.Parallel()
		}
		awayAndKilled(t)
	})
	if !hasPostgres() {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		if !long() {
			t.Parallel()
		}
		awayAndKilled(t, "database.url="+startPostgres(t).URL, "database.pool_min=1")
	})
}

// long says that this is the long set.
func long() bool { return drive.Often(0, 1) == 1 }

// tellers are users who change their names, which is told.
const tellers = 4

func awayAndKilled(t *testing.T, stores ...string) {
	t.Helper()
	b := brokertest.Connect(t)
	queue, line := b.Queue(t, brokertest.Options{}), b.Line(t)
	destination, err := json.Marshal([]map[string]string{{"name": "accounts", "url": "servicebus:///" + queue, "connection_string": line.Connection()}})
	require.NoError(t, err)
	settings := append([]string{noLimits, "data_dir=" + t.TempDir(), "events.max_attempts=1", "events.destinations=" + string(destination)}, stores...)
	s := drive.Prepare(t, settings...).NoWorker()
	s.Start()
	var tokens []string
	for i := range tellers {
		email := fmt.Sprintf("user-%d@example.com", i)
		require.Equal(t, http.StatusCreated, s.Register(email).Status)
		tokens = append(tokens, s.MustLogIn(email))
	}
	before, during, away := drive.Often(40, 4000), drive.Often(400, 20_000), time.Duration(drive.Often(4, 300))*time.Second
	pause := away * tellers / time.Duration(during)
	w := worker(t, settings)
	usual := tell(s, tokens, before, pause)
	kill(t, w)

	line.Away(true)
	told := make(chan []time.Duration, 1)
	go func() { told <- tell(s, tokens, during, pause) }()
	kills := drive.Often(4, 20)
	for range kills * 3 / 4 {
		w := worker(t, settings)
		wait(away * 4 / time.Duration(3*kills) * time.Duration(50+rand.IntN(50)) / 100)
		kill(t, w)
	}
	meanwhile := <-told
	require.Len(t, usual, before, "each was answered with 200")
	require.Len(t, meanwhile, during, "each was answered with 200")
	slower := float64(p99(meanwhile)) / float64(p99(usual))
	t.Logf("P99 of a change: %s before, %s while the broker is away, %.2f times", p99(usual), p99(meanwhile), slower)
	if long() {
		require.Less(t, slower, 1.2)
	}

	b.Fault(t, brokertest.Faults{Entity: queue, Cut: 0.3, Refuse: poison})
	line.Away(false)
	back := time.Now()
	for range kills / 4 {
		w := worker(t, settings)
		wait(time.Duration(300+rand.IntN(1200)) * time.Millisecond)
		kill(t, w)
	}
	worker(t, settings)
	got := drained(t, b, queue, before+during)
	t.Logf("%d events drained %s after the broker was back", during, time.Since(back))
	require.Less(t, time.Since(back), max(time.Minute, time.Minute*time.Duration(during)/10_000))
	for subject, list := range got {
		require.Len(t, list, (before+during)/tellers, "none is missing, and a repeated one has its id: %s", subject)
		for i := 1; i < len(list); i++ {
			require.False(t, list[i].Time.Before(list[i-1].Time), "in order, but for those that come again")
		}
	}
	setAside(t, s, settings, b, queue, tokens)
}

// tell has the tellers make n changes, one each at a pause, or as soon as the last is answered. It gives how long each took
// that was answered with 200.
func tell(s *drive.Server, tokens []string, n int, pause time.Duration) []time.Duration {
	var mu sync.Mutex
	var took []time.Duration
	var telling sync.WaitGroup
	for _, token := range tokens {
		telling.Go(func() {
			next := time.NewTicker(pause)
			defer next.Stop()
			for i := range n / len(tokens) {
				<-next.C
				begun := time.Now()
				a := s.Send(http.MethodPatch, "/users/me", token, fmt.Sprintf(`{"full_name":"%d of %d"}`, i, n))
				if a.Status == http.StatusOK {
					mu.Lock()
					took = append(took, time.Since(begun))
					mu.Unlock()
				}
			}
		})
	}
	telling.Wait()
	return took
}

// p99 is what one in a hundred exceeds.
func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

func wait(d time.Duration) { <-time.NewTimer(d).C }

func kill(t *testing.T, w *exec.Cmd) {
	t.Helper()
	require.NoError(t, w.Process.Kill())
	_ = w.Wait() // it was killed
}

// drained waits until so many events have arrived.
func drained(t *testing.T, b *brokertest.Broker, queue string, events int) (got map[string][]event) {
	t.Helper()
	require.Eventually(t, func() bool {
		got = arrived(t, b, queue)
		n := 0
		for _, list := range got {
			n += len(list)
		}
		return n >= events
	}, time.Duration(60+events/100)*time.Second, time.Duration(200+events/10)*time.Millisecond)
	return got
}

// poison is text that the one event holds which the broker refuses.
const poison = `"changed":["locale"]`

// setAside tells the poisoned event, and one behind it, and of another user: those arrive.
func setAside(t *testing.T, s *drive.Server, settings []string, b *brokertest.Broker, queue string, tokens []string) {
	t.Helper()
	before := 0
	for _, list := range arrived(t, b, queue) {
		before += len(list)
	}
	for i, body := range []string{`{"locale":"de"}`, `{"timezone":"Europe/Berlin"}`} {
		require.Equal(t, http.StatusOK, s.Send(http.MethodPatch, "/users/me", tokens[0], body).Status, i)
	}
	require.Equal(t, http.StatusOK, s.Send(http.MethodPatch, "/users/me", tokens[1], `{"timezone":"Europe/Berlin"}`).Status)
	require.Eventually(t, func() bool {
		after := 0
		for _, list := range arrived(t, b, queue) {
			after += len(list)
		}
		return after == before+2
	}, time.Minute, 100*time.Millisecond, "the one behind it, and another user's")
	args := []string{"events", "dead"}
	for _, v := range settings {
		args = append(args, "--set", v)
	}
	out, err := drive.Command(t, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 1, strings.Count(string(out), updatedLabel), "%s", out)
}

// event is as much of one as the tests look at.
type event struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
}

// arrived gives what has come of the type, each once, by subject, in the order in which it came first.
func arrived(t *testing.T, b *brokertest.Broker, queue string) map[string][]event {
	t.Helper()
	all, seen := map[string][]event{}, map[string]bool{}
	for _, m := range b.Contents(t, queue).Active {
		if m.Label != updatedLabel || seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		var e event
		require.NoError(t, json.Unmarshal([]byte(m.Body), &e))
		require.Equal(t, e.ID, m.ID)
		all[m.Session] = append(all[m.Session], e)
	}
	return all
}

// worker starts a worker that the test's end kills.
func worker(t *testing.T, settings []string) *exec.Cmd {
	t.Helper()
	args := []string{"worker", "--set", "ops.addr="}
	for _, v := range settings {
		args = append(args, "--set", v)
	}
	cmd := drive.Command(t, args...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead
		_ = cmd.Wait()         // as above
	})
	return cmd
}
