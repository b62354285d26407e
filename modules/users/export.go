package users

import (
	"context"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
)

// Export is all that is held about an account.
type Export struct {
	At      time.Time
	Modules map[string]any // by the module's name
}

// Export gives everything that every module holds about an account, or ErrNotFound.
func (s *Service) Export(ctx context.Context, id account.ID) (Export, error) {
	e := Export{At: s.deps.Clock.Now()}
	var err error
	e.Modules, err = s.deps.Holdings.Export(ctx, id)
	return e, err
}

// held is what this module holds about an account.
type held struct {
	Response
	HasPassword bool `json:"has_password"`
}

// export reads the store, and not what is remembered: what is asked for is what is held.
func (s *Service) export(ctx context.Context, id account.ID) (any, error) {
	repo := repository{s.deps.DB}
	u, err := repo.byID(ctx, id)
	if err != nil {
		return nil, err
	}
	has, err := repo.hasPassword(ctx, id)
	return held{Response: toResponse(ctx, u), HasPassword: has}, err
}
