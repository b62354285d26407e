package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/brokertest"
	"github.com/gatehouse/gatehouse/test/drive"
)

// updatedLabel is the type that these tests tell in great numbers.
const updatedLabel = "gatehouse.user.updated.v1"

// TestABrokerThatIsAwayAndKilledWorkersLoseNoEvent tells events while the broker is away and workers are killed, then has a
// third of the sends cut between transfer and disposition. With TEST_SOAK it takes the broker away for five minutes, 20,000
// events and twenty kills.
func TestABrokerThatIsAwayAndKilledWorkersLoseNoEvent(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		awayAndKilled(t)
	})
	if !hasPostgres() {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		awayAndKilled(t, "database.url="+startPostgres(t).URL, "database.pool_min=1")
	})
}

func awayAndKilled(t *testing.T, stores ...string) {
	t.Helper()
	b := brokertest.Connect(t)
	queue, line := b.Queue(t, brokertest.Options{}), b.Line(t)
	destination, err := json.Marshal([]map[string]string{{"name": "accounts", "url": "servicebus:///" + queue, "connection_string": line.Connection()}})
	require.NoError(t, err)
	settings := append([]string{noLimits, "data_dir=" + t.TempDir(), "events.max_attempts=1", "events.destinations=" + string(destination)}, stores...)
	s := drive.Prepare(t, settings...).NoWorker()
	s.Start()
	events, kills, away := drive.Often(400, 20_000), drive.Often(3, 20), time.Duration(drive.Often(4, 300))*time.Second
	const users = 4
	var tokens []string
	for i := range users {
		email := fmt.Sprintf("user-%d@example.com", i)
		require.Equal(t, http.StatusCreated, s.Register(email).Status)
		tokens = append(tokens, s.MustLogIn(email))
	}
	line.Away(true)
	begun := time.Now()
	var told atomic.Int64
	var telling sync.WaitGroup
	for i := range users {
		telling.Go(func() {
			for n := range events / users {
				a := s.Send(http.MethodPatch, "/users/me", tokens[i], fmt.Sprintf(`{"full_name":"Name %d"}`, n))
				if a.Status == http.StatusOK {
					told.Add(1)
				}
			}
		})
	}
	for round := range kills {
		w := worker(t, settings)
		if round > kills/2 {
			b.Fault(t, brokertest.Faults{Entity: queue, Cut: 0.3})
		}
		if time.Since(begun) > away {
			line.Away(false)
		}
		lives := time.NewTimer(time.Duration(300+rand.IntN(1200)) * time.Millisecond)
		<-lives.C
		require.NoError(t, w.Process.Kill())
		_ = w.Wait() // it was killed
	}
	telling.Wait()
	left := time.NewTimer(max(away-time.Since(begun), 0))
	<-left.C
	require.EqualValues(t, events/users*users, told.Load())
	b.Fault(t, brokertest.Faults{Entity: queue, Cut: 0.3, Refuse: poison})
	line.Away(false)
	back := time.Now()
	worker(t, settings)
	var got map[string][]event
	require.Eventually(t, func() bool {
		got = arrived(t, b, queue)
		n := 0
		for _, list := range got {
			n += len(list)
		}
		return n >= int(told.Load())
	}, time.Duration(60+events/150)*time.Second, 200*time.Millisecond)
	t.Logf("%d events drained %s after the broker was back", told.Load(), time.Since(back))
	require.Less(t, time.Since(back), time.Duration(60*(1+events/10_000))*time.Second)
	for subject, list := range got {
		require.Len(t, list, events/users, "none is missing, and a repeated one has its id: %s", subject)
		for i := 1; i < len(list); i++ {
			require.False(t, list[i].Time.Before(list[i-1].Time), "in order, but for those that come again")
		}
	}
	setAside(t, s, settings, b, queue, tokens)
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
