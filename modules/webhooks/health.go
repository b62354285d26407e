package webhooks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/modules/users"
)

const (
	// noteEvery is how often a failure is written down of a webhook that fails again and again.
	noteEvery = time.Minute
	// longestGap is how far apart two failures are at most that tell of one outage: while an event waits, it is tried at
	// least once an hour.
	longestGap = day
	// mostTold is how many administrators are told.
	mostTold = 100
)

// noteHealth writes down whether a webhook works, and disables one that wants no more or has taken nothing for long.
func (s *Service) noteHealth(ctx context.Context, h Hook, attempts []attempt) error {
	if slices.ContainsFunc(attempts, func(a attempt) bool { return a.gone }) {
		return s.disable(ctx, h, ReasonGone)
	}
	repo, now := repository{s.deps.DB}, s.deps.Clock.Now()
	if slices.ContainsFunc(attempts, func(a attempt) bool { return a.fault == "" }) {
		if h.FailingSince == nil {
			return nil
		}
		return repo.noteSuccess(ctx, h.ID)
	}
	if h.FailingSince == nil || h.failedAt == nil || now.Sub(*h.failedAt) >= noteEvery {
		since, err := repo.noteFailure(ctx, h.ID, now, now.Add(-longestGap))
		if errors.Is(err, ErrNotFound) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		h.FailingSince = &since
	}
	if now.Sub(*h.FailingSince) < s.settings.DisableAfter {
		return nil
	}
	return s.disable(ctx, h, ReasonFailing)
}

// disable disables an active webhook, and has the administrators told.
func (s *Service) disable(ctx context.Context, h Hook, why Reason) error {
	admins, err := s.deps.Users.List(ctx, users.ListQuery{Limit: mostTold, Sort: "created_at", Role: account.RoleAdmin, Active: new(true)})
	if err != nil {
		return err
	}
	now, done := s.deps.Clock.Now(), false
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if done, err = (repository{tx}).disable(ctx, h.ID, why, now); err != nil || !done {
			return err
		}
		s.deps.Events.DestinationChanged(tx)
		for _, to := range admins.Items {
			if err := s.deps.Jobs.Enqueue(ctx, tx, newMail(h, why, now, to)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && done {
		s.deps.Logger.WarnContext(ctx, "a webhook is disabled", "webhook_id", h.ID, "reason", why)
	}
	return err
}
