package job_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/job"
)

// crowd is jobs that stay at work until they are let go, and the most of them at once.
type crowd struct {
	came, leave chan struct{}

	mu        sync.Mutex
	now, most int
}

func newCrowd(size int) *crowd {
	return &crowd{came: make(chan struct{}, size), leave: make(chan struct{}, size)}
}

func (c *crowd) work(ctx context.Context) error {
	c.add(1)
	defer c.add(-1)
	c.came <- struct{}{}
	select {
	case <-c.leave:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *crowd) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
}

func TestASlowQueueHasItsOwnLimitAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		const letters, limit, concurrency = 8, 2, 4
		slow, quick := newCrowd(letters), newCrowd(concurrency)
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{
			job.Handle(job.Options{}, func(ctx context.Context, _ job.Job[errandArgs]) error { return quick.work(ctx) }),
			job.Handle(job.Options{Queue: "post"}, func(ctx context.Context, _ job.Job[letterArgs]) error { return slow.work(ctx) }),
		}})
		for range letters {
			p.post(t, q, letterArgs{})
		}
		w := startWith(t, q, job.Settings{Concurrency: concurrency, Queues: []job.QueueSettings{{Name: "post", Concurrency: limit}}})
		for range limit {
			<-slow.came
		}
		p.enqueue(t, q, concurrency)
		for range concurrency {
			<-quick.came
		}
		for n := range letters {
			slow.leave <- struct{}{}
			if n < letters-limit {
				<-slow.came
			}
		}
		for range concurrency {
			quick.leave <- struct{}{}
		}
		require.NoError(t, w.Stop(t.Context()))
		require.Equal(t, limit, slow.most)
		require.Equal(t, concurrency, quick.most)
		require.Zero(t, p.count(t, "state <> 'completed'"))
	})
}

func TestTheLimitOfAQueueHoldsForTheDefaultOneToo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		const errands = 4
		c := newCrowd(errands)
		for range errands {
			c.leave <- struct{}{}
		}
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, func(ctx context.Context, _ job.Job[errandArgs]) error { return c.work(ctx) })}})
		p.enqueue(t, q, errands)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, q.Drain(ctx, job.Settings{Concurrency: 4, Queues: []job.QueueSettings{{Name: job.DefaultQueue, Concurrency: 1}}}))
		require.Len(t, c.came, errands)
		require.Equal(t, 1, c.most)
	})
}

func TestTheWorkersSettingsAreChecked(t *testing.T) {
	t.Parallel()
	const bounds = "must be between 1 and 1000"
	for _, c := range []struct {
		path, text string
		fault      string // none is right
		want       job.Settings
	}{
		{"worker.concurrency", "1", "", job.Settings{Concurrency: 1}},
		{"worker.concurrency", "1000", "", job.Settings{Concurrency: 1000}},
		{"worker.concurrency", "0", "worker.concurrency: " + bounds, job.Settings{}},
		{"worker.concurrency", "1001", "worker.concurrency: " + bounds, job.Settings{}},
		{"worker.queues", `[{"name":"mail","concurrency":1},{"name":"default","concurrency":1000}]`, "", job.Settings{
			Concurrency: 10, Queues: []job.QueueSettings{{Name: "mail", Concurrency: 1}, {Name: "default", Concurrency: 1000}},
		}},
		{"worker.queues", `[{"name":"mail","concurrency":0}]`, "worker.queues[0].concurrency: " + bounds, job.Settings{}},
		{"worker.queues", `[{"name":"mail","concurrency":1001}]`, "worker.queues[0].concurrency: " + bounds, job.Settings{}},
		{"worker.queues", `[{"name":"mail"}]`, "worker.queues[0].concurrency: " + bounds, job.Settings{}},
		{"worker.queues", `[{"concurrency":2}]`, "worker.queues[0].name: must be the name of a queue", job.Settings{}},
		{"worker.queues", `[{"name":"mail","concurrency":2},{"name":"mail","concurrency":3}]`, "worker.queues[1].name: is the name of another one", job.Settings{}},
		{"worker.queues", `[{"name":"mail","concurrency":2,"timeout":"1m"}]`, "worker.queues[0].timeout: ", job.Settings{}},
		{"worker.queues", "mail=2", "worker.queues: ", job.Settings{}},
	} {
		var s job.Settings
		_, err := config.Load(config.Source{Args: map[string]string{c.path: c.text}}, config.Part{Path: "worker", Into: &s})
		if c.fault != "" {
			require.ErrorContains(t, err, c.fault, c.text)
			continue
		}
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, s)
	}
}
