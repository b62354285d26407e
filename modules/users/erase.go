package users

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
)

// Delete deletes an account and all that is held about it. It returns ErrNotFound for one that is not there, and
// ErrLastAdmin for the last active administrator.
func (s *Service) Delete(ctx context.Context, id account.ID) error {
	deleted := false
	err := s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) (err error) {
		deleted, err = s.DeleteTx(ctx, tx, id)
		return err
	})
	if err == nil && !deleted {
		err = ErrNotFound
	}
	return s.deps.Audit.RefuseConflict(ctx, audit.Act{Action: ActDelete, Target: id}, err)
}

// DeleteTx locks an account, and deletes it and what every module holds about it, for good: its sessions are refused
// everywhere once the transaction has committed, and its address is free. It says false for an account that is not there,
// and returns ErrLastAdmin for the last active administrator.
func (s *Service) DeleteTx(ctx context.Context, tx *database.Tx, id account.ID) (bool, error) {
	err := keepAdminTx(ctx, tx, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := s.deps.Audit.Append(ctx, tx, audit.Act{Action: ActDelete, Target: id}); err != nil { // first, so that it is erased too
		return false, err
	}
	if err := s.deps.Holdings.EraseTx(ctx, tx, id); err != nil {
		return false, err
	}
	return true, s.deps.Events.Append(ctx, tx, Deleted{UserID: id})
}

// eraseTx is this module's part of DeleteTx: the account itself, and its picture by a job.
func (s *Service) eraseTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	deleted, avatar, err := repository{tx}.delete(ctx, id)
	if err != nil {
		return err
	}
	s.tellTx(tx, id, deleted)
	return s.DropAvatarTx(ctx, tx, id, avatar)
}
