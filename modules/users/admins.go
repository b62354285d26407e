package users

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// adminsLock is taken here alone, and always after the row of the one account that a transaction is about: taken the other
// way round, two transactions could wait for each other.
const adminsLock = "users.admins"

// keepAdminTx guards a transaction that is about to take an account's role, activity or existence away, however it does so.
// It locks the account's row and, where that is an active administrator's, makes all such transactions run one after the
// other: what it reads then is how the one before has left it. It returns ErrLastAdmin where no other administrator is
// active, and ErrNotFound for an account that is not there.
func keepAdminTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	repo := repository{tx}
	u, err := repo.lock(ctx, id)
	if err != nil || u.Role != account.RoleAdmin || !u.IsActive {
		return err
	}
	if err := tx.Lock(ctx, adminsLock); err != nil {
		return err
	}
	other, err := repo.hasOtherAdmin(ctx, id)
	if err == nil && !other {
		err = ErrLastAdmin
	}
	return err
}
