package job

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"
)

// drainPause is how long Drain waits between two looks for jobs.
const drainPause = 2 * time.Millisecond

// Drain works every job of the queue's kinds that is due, and those that come of it, and returns when none is left: what failed waits for its
// next attempt and is left. Schedules enqueue nothing meanwhile: they are Start's. It returns ctx's error when that ends first.
func (q *Queue) Drain(ctx context.Context, s Settings) error {
	w, err := q.start(ctx, s, func(c *river.Config) {
		c.PollOnly, c.FetchCooldown, c.FetchPollInterval, c.PeriodicJobs = true, drainPause, drainPause, nil
	})
	if err != nil {
		return err
	}
	kinds := slices.Collect(maps.Keys(q.kinds))
	tick := time.NewTicker(drainPause)
	defer tick.Stop()
	for {
		due, err := q.engine.due(ctx, kinds)
		if err != nil || !due {
			return errors.Join(err, w.stopWithin(ctx, HardStop))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
