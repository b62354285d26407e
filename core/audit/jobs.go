package audit

import (
	"context"
	"time"

	"github.com/gatehouse/gatehouse/core/job"
)

const pruneEvery = time.Hour

// sealArgs are of the job that seals rows.
type sealArgs struct{}

// Kind implements job.Args.
func (sealArgs) Kind() string { return "audit.seal" }

// pruneArgs are of the job that drops batches past their retention.
type pruneArgs struct{}

// Kind implements job.Args.
func (pruneArgs) Kind() string { return "audit.prune" }

// Jobs are the package's own.
func (t *Trail) Jobs() ([]job.Handler, []job.Periodic) {
	return []job.Handler{
			job.Handle(job.Options{}, func(ctx context.Context, _ job.Job[sealArgs]) error { return t.Seal(ctx) }),
			job.Handle(job.Options{}, func(ctx context.Context, _ job.Job[pruneArgs]) error { return t.Prune(ctx) }),
		},
		[]job.Periodic{{Every: sealEvery, Args: sealArgs{}}, {Every: pruneEvery, Args: pruneArgs{}}}
}
