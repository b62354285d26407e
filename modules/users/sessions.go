package users

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/modules/sessions"
)

// SessionsOf gives an account's live sessions, or those that ended in the last 30 days. It returns ErrNotFound for an
// account that is not there.
func (s *Service) SessionsOf(ctx context.Context, id account.ID, ended bool) ([]sessions.Session, error) {
	if _, err := (repository{s.deps.DB}).byID(ctx, id); err != nil { // what is remembered may be gone
		return nil, err
	}
	if ended {
		return s.deps.Sessions.ListEnded(ctx, id)
	}
	return s.deps.Sessions.List(ctx, id)
}

// EndSessions ends all of an account's sessions, those included that start meanwhile: whoever signs in waits for the
// account's row. It returns ErrNotFound for an account that is not there.
func (s *Service) EndSessions(ctx context.Context, id account.ID) error {
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if _, err := (repository{tx}).lock(ctx, id); err != nil {
			return err
		}
		_, err := s.deps.Sessions.EndAllTx(ctx, tx, id, sessions.ReasonAdministrator)
		return err
	})
}
