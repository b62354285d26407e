package sessions

import (
	"context"
	"time"

	"github.com/gatehouse/gatehouse/core/job"
)

// pruneEvery is how often sessions that nobody is shown any more are deleted.
const pruneEvery = time.Hour

// pruneArgs are of the job that deletes them.
type pruneArgs struct{}

// Kind implements job.Args.
func (pruneArgs) Kind() string { return "sessions.prune" }

// prune deletes step by step. Where its time runs out, the next attempt goes on.
func (s *Service) prune(ctx context.Context, _ job.Job[pruneArgs]) error {
	for {
		if more, err := s.Prune(ctx); err != nil || !more {
			return err
		}
	}
}
