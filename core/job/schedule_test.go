package job_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/page"
)

// leader is which of River's clients leads, or nothing.
func (p place) leader(t *testing.T) (id string) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(t.Context(), "SELECT coalesce(max(leader_id), '') FROM river_leader").Scan(&id))
	return id
}

// told is a handler that says which job it works.
func told[A job.Args](to chan<- int64) job.Handler {
	return job.Handle(job.Options{}, func(_ context.Context, j job.Job[A]) error { to <- j.ID; return nil })
}

// TestEachPeriodHasOneRunWhoeverLeads takes some twenty seconds: the periods of two leaders, and on SQLite the seconds until
// another worker asks whether anybody leads.
func TestEachPeriodHasOneRunWhoeverLeads(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		const period, turns = 2 * time.Second, 3
		ran, chatted := make(chan int64, 64), make(chan int64, 1)
		schedules := []job.Periodic{{Every: period, Args: errandArgs{}}}
		one := p.open(t, job.QueueOptions{Handlers: []job.Handler{told[errandArgs](ran)}, Schedules: schedules})
		other := p.open(t, job.QueueOptions{Handlers: []job.Handler{told[errandArgs](ran), told[chatterArgs](chatted)}, Schedules: schedules})
		var seen runs
		first := start(t, one, 2)
		seen.wait(ran, 1, 0)
		leads := p.leader(t)
		second := start(t, other, 2)
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return other.Enqueue(ctx, tx, chatterArgs{}) }))
		<-chatted // the second alone knows these: it is at work
		seen.wait(ran, turns, 0)
		require.Equal(t, leads, p.leader(t))

		require.NoError(t, first.Stop(t.Context()))
		require.Eventually(t, func() bool { now := p.leader(t); return now != "" && now != leads }, 20*time.Second, 20*time.Millisecond)
		seen.wait(ran, turns, newest(t, other).ID)
		require.NoError(t, second.Stop(t.Context()))
		close(ran)
		seen.wait(ran, cap(ran), 0)
		p.requireSteady(t, other, period, seen)
	})
}

// runs counts the runs of each job.
type runs map[int64]int

// wait notes runs until there were n of jobs later than one, or until there will be none any more.
func (r *runs) wait(ran <-chan int64, n int, after int64) {
	if *r == nil {
		*r = runs{}
	}
	for id := range ran {
		(*r)[id]++
		if id > after {
			n--
		}
		if n == 0 {
			return
		}
	}
}

// requireSteady wants one run of each job of the schedule, one job in each period, and no period without, but for those between
// two leaders.
func (p place) requireSteady(t *testing.T, q *job.Queue, period time.Duration, seen runs) {
	t.Helper()
	jobs, err := q.List(t.Context(), job.RecordQuery{Kinds: []string{"test.errand"}, Limit: page.MaxLimit})
	require.NoError(t, err)
	require.Nil(t, jobs.NextCursor)
	slices.Reverse(jobs.Items)
	changes := 0
	for i, j := range jobs.Items {
		want := 0 // enqueued when nobody was left
		if j.State == job.StateCompleted {
			want = 1
		}
		require.Equal(t, want, seen[j.ID], "job %d, %s", j.ID, j.State)
		// A leader's first run is anywhere in its period, those that follow in the second quarter of theirs.
		if i > 0 && j.ScheduledAt.Sub(jobs.Items[i-1].ScheduledAt) > period*5/4+period/20 {
			changes++
		}
	}
	require.LessOrEqual(t, changes, 1, "%+v", jobs.Items)
	var periods int
	require.NoError(t, p.db.QueryRow(t.Context(), "SELECT count(DISTINCT unique_key) FROM river_job WHERE kind = 'test.errand'").Scan(&periods))
	require.Len(t, jobs.Items, periods)
}

// TestAPeriodThatHadItsRunHasNoneByTheNextLeader has leaders clean up hours later. It takes some seconds: a leader begins that,
// and its schedules, within one.
func TestAPeriodThatHadItsRunHasNoneByTheNextLeader(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{
		"done": nil, "given up": job.Pointless(errors.New("the shop has closed")), "dead": errors.New("the shop has burnt down"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, p place) {
				const year = 365 * 24 * time.Hour // so that none ends meanwhile
				ran, chatted := make(chan int64, 4), make(chan int64, 4)
				errand := job.Handle(job.Options{MaxAttempts: 1}, func(_ context.Context, j job.Job[errandArgs]) error { ran <- j.ID; return outcome })
				o := job.QueueOptions{Handlers: []job.Handler{errand, told[chatterArgs](chatted)}, Schedules: []job.Periodic{{Every: year, Args: errandArgs{}}}}
				first := start(t, p.open(t, o), 2)
				<-ran
				require.NoError(t, first.Stop(t.Context()))
				p.set(t, "finalized_at = ? WHERE kind = 'test.errand'", p.ago(year-24*time.Hour)) //nolint:misspell // River's column

				q := p.open(t, o)
				require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return q.Enqueue(ctx, tx, chatterArgs{}) }))
				p.set(t, "state = 'completed', finalized_at = ? WHERE kind = 'test.chatter'", p.ago(2*year)) //nolint:misspell // River's column
				second := start(t, q, 2)
				require.Eventually(t, func() bool { return p.count(t, "kind = 'test.chatter'") == 0 }, 20*time.Second, 20*time.Millisecond, "it cleans up")
				require.NoError(t, second.Stop(t.Context()))

				o.Schedules = append(o.Schedules, job.Periodic{Every: year, Args: chatterArgs{}})
				start(t, p.open(t, o), 2)
				<-chatted // a leader begins all its schedules at once
				require.Equal(t, 1, p.count(t, "kind = 'test.errand'"))
				require.Empty(t, ran)
			})
		})
	}
}

func TestASchedulesRunsStayAwayFromTheEndsOfTheirPeriods(t *testing.T) {
	t.Parallel()
	hour := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	for _, c := range []struct{ now, next time.Duration }{
		{0, 75 * time.Minute},
		{14 * time.Minute, 75 * time.Minute},
		{15 * time.Minute, 75 * time.Minute},
		{20 * time.Minute, 80 * time.Minute},
		{30 * time.Minute, 90 * time.Minute},
		{31 * time.Minute, 90 * time.Minute},
		{59*time.Minute + 59*time.Second, 90 * time.Minute},
	} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("half past", 30*60)} {
			next := job.NextRun(time.Hour, hour.Add(c.now).In(zone))
			require.Equal(t, hour.Add(c.next), next.UTC(), c.now.String())
			require.Equal(t, next.Add(time.Hour), job.NextRun(time.Hour, next))
		}
	}
}
