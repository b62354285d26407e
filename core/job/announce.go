package job

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// company is how long an announcement waits for others.
	company = 10 * time.Millisecond
	// announceDeadline is what telling may take.
	announceDeadline = 5 * time.Second
)

// announcer tells the workers of all processes that jobs have been committed, of many at once and in no request's time.
//
// River would do so in the transaction of a job, where it holds up the commits of others, and says nothing of a job that
// comes within FetchCooldown of another: workers that have looked for the one already, since it was committed first, would find
// the other when they look unasked.
type announcer struct {
	tell func(ctx context.Context, queues []string) error

	mu     sync.Mutex
	queues map[string]bool // that are to be told of
}

// add has it told soon that there is a job in the queue.
func (a *announcer) add(queue string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queues) == 0 {
		a.queues = map[string]bool{}
		time.AfterFunc(company, a.send)
	}
	a.queues[queue] = true
}

func (a *announcer) send() {
	a.mu.Lock()
	queues := slices.Sorted(maps.Keys(a.queues))
	a.queues = nil
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), announceDeadline)
	defer cancel()
	_ = a.tell(ctx, queues) // where it fails, workers find the jobs when they look unasked
}
