package sessions

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
)

// rememberedStates bounds the memory: about 200 bytes each.
const rememberedStates = 100_000

// Start begins a session of an account, in the transaction that has locked the account and found it fit to log in.
func (s *Service) Start(ctx context.Context, tx *database.Tx, id account.ID, c Client) (Started, error) {
	now := s.deps.Clock.Now()
	refresh := s.deps.RefreshTokens.New(account.NewSessionID())
	err := repository{tx}.insert(ctx, session{
		id: refresh.Session, account: id, generation: refresh.Generation, currentDigest: refresh.Digest(), client: c,
		createdAt: now, idleExpiresAt: now.Add(s.settings.Idle), expiresAt: now.Add(s.settings.Absolute),
	})
	return Started{ID: refresh.Session, RefreshToken: secret.New(refresh.Token())}, err
}

// Live gives the account of a live session, from a state as old as core/push allows. It returns ErrEnded for any other,
// and errs.ErrUnavailable when the store cannot tell.
//
// A use of the session extends its idle life, here or elsewhere, without anyone being told: so a state that was alive when
// it was read, and has expired since, is read again before it is believed. One that was read after its end is final.
func (s *Service) Live(ctx context.Context, id account.SessionID) (account.ID, error) {
	st, err := s.states.Get(ctx, id)
	if err != nil {
		return account.ID{}, err
	}
	now := s.deps.Clock.Now()
	if !st.live(now) && st.outdated(now) {
		s.states.Invalidate(id)
		if st, err = s.states.Get(ctx, id); err != nil {
			return account.ID{}, err
		}
	}
	if !st.live(now) {
		return account.ID{}, ErrEnded
	}
	return st.account, nil
}

func (s *Service) loadState(ctx context.Context, id account.SessionID) (state, error) {
	now := s.deps.Clock.Now()
	st, found, err := repository{s.deps.DB}.state(ctx, id)
	if err == nil && !found {
		err = ErrEnded
	}
	st.readAt = now
	return st, err
}

// forget has every instance look the sessions up anew once the transaction that ended them is durable.
func (s *Service) forget(tx *database.Tx, ids ...account.SessionID) {
	tx.AfterCommit(func() { s.changed.Changed(ids...) })
}
