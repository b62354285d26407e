package sessions

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/token"
)

// Refresh uses a refresh token of a session. These are a chain: generation 0 is random, and each further one is derived
// from the one before, so the successor of a token can be made again by whoever presents that token, and by nobody from
// the database. The row holds the generation and digest of the chain's one live end, and the digest of the token before it.
//
// The current one is replaced by its successor in a single statement that compares and sets,
// so that of any number of uses at once one rotates and the others find the row changed. Those, and whoever lost the
// answer, get the same successor again within reuse_leeway of the rotation, for as long as that successor is the chain's
// end. Any other use of a token that was already used means that two parties hold the chain, and ends the session.
//
// It returns ErrRefreshToken for everything else, and changes nothing then: for a text that is no token of ours, for a
// session that ended, expired or never was, and for a token newer than the row, which a restored back-up leaves behind.
// The account is for the caller to look at. Whatever makes an account unfit ends its sessions in the same transaction, and
// the statement finds no live row from then on.
func (s *Service) Refresh(ctx context.Context, text secret.String, c Client) (Refreshed, error) {
	used, ok := s.deps.RefreshTokens.Parse(text.Reveal())
	if !ok {
		return Refreshed{}, ErrRefreshToken
	}
	next, now := s.deps.RefreshTokens.Successor(used), s.deps.Clock.Now()
	owner, rotated, err := repository{s.deps.DB}.rotate(ctx, rotation{
		session: used.Session, generation: used.Generation, usedDigest: used.Digest(), nextDigest: next.Digest(),
		now: now, idleExpiresAt: now.Add(s.settings.Idle), client: c,
	})
	if err == nil && !rotated {
		owner, err = s.reuse(ctx, used, now)
	}
	if err != nil {
		return Refreshed{}, err
	}
	return Refreshed{ID: used.Session, Account: owner, RefreshToken: secret.New(next.Token())}, nil
}

// reuse decides about a genuine token that is not the current one of a live session. What it reads may have changed when
// it acts, and yet it decides right: a generation is never taken back, and a session that has ended stays as it ended.
func (s *Service) reuse(ctx context.Context, used token.Refresh, now time.Time) (account.ID, error) {
	l, found, err := repository{s.deps.DB}.lineage(ctx, used.Session)
	switch {
	case err != nil:
		return account.ID{}, err
	case !found || !l.live(now) || used.Generation >= l.generation:
		return account.ID{}, ErrRefreshToken
	case s.repeatable(l, used, now):
		return l.account, nil
	}
	if err := s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		_, err := s.EndTx(ctx, tx, l.account, used.Session, ReasonReuse)
		return err
	}); err != nil {
		return account.ID{}, err
	}
	return account.ID{}, ErrRefreshToken
}

// repeatable says whether a token gets its successor again. Each replay counts from the first use: none moves rotated_at.
func (s *Service) repeatable(l lineage, used token.Refresh, now time.Time) bool {
	return s.settings.ReuseLeeway > 0 && used.Generation+1 == l.generation &&
		subtle.ConstantTimeCompare(l.previousDigest, used.Digest()) == 1 && !now.After(l.rotatedAt.Add(s.settings.ReuseLeeway))
}
