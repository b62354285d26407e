package sessions

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// mostExported bounds an export, all of which is in memory at once.
const mostExported = 10_000

// export gives what is kept of an account's sessions, those included that nobody is shown any more.
func (s *Service) export(ctx context.Context, id account.ID) (any, error) {
	all, err := repository{s.deps.DB}.kept(ctx, id)
	return toExport(all), err
}

// eraseTx deletes an account's sessions. None starts meanwhile, since the transaction has locked the account's row.
func (s *Service) eraseTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	ids, err := repository{tx}.erase(ctx, id)
	if err == nil {
		s.forget(tx, ids...)
	}
	return err
}
