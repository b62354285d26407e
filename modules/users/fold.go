package users

import (
	"context"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
)

const (
	foldEvery = time.Hour
	foldStep  = 500
)

// foldArgs are of the job that computes what lists sort and search by, for rows of versions that did not.
type foldArgs struct{}

// Kind implements job.Args.
func (foldArgs) Kind() string { return "users.fold" }

// fold works step by step. Where its time runs out, the next attempt goes on.
func (s *Service) fold(ctx context.Context, _ job.Job[foldArgs]) error {
	for {
		rows, err := repository{s.deps.DB}.unfolded(ctx, foldStep)
		if err != nil || len(rows) == 0 {
			return err
		}
		err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
			for _, u := range rows {
				if err := (repository{tx}).setFolded(ctx, u); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
