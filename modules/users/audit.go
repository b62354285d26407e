package users

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

// The acts of which other modules note refusals: of those who come with a mailed link, or delete themselves.
const (
	ActEmail  = "user.email"
	ActVerify = "user.verify_email"
	ActDelete = "user.delete"
)

// The acts that this module alone writes down.
const (
	actChange  = "user.change"
	actRole    = "user.role"
	actDisable = "user.disable"
	actEnable  = "user.enable"
)

func declareActs(t *audit.Trail) {
	t.Declare(actChange, "somebody else changed a user's profile; the details name the members")
	t.Declare(ActEmail, "a user has another e-mail address, which they confirmed or an administrator gave them; or it was refused (`email_already_exists`), or the link was worth nothing (`invalid_token`)")
	t.Declare(ActVerify, "an e-mail address is known to be its user's: by a mailed link, or because an administrator vouches for it; or the link was worth nothing (`invalid_token`)")
	t.Declare(actRole, "a user has another role, or it was refused (`last_admin`)")
	t.Declare(actDisable, "a user may not sign in any more, and their sessions have ended; or it was refused (`last_admin`)")
	t.Declare(actEnable, "a user may sign in again")
	t.Declare(ActDelete, "a user was deleted, by themselves or somebody else, and what is personal in older rows has gone; or it was refused (`last_admin`)")
}

// actsOf says what was done to an account. What people change in their own profile is nobody's to watch.
func actsOf(ctx context.Context, was, next User) (all []audit.Act) {
	add := func(action string, details map[string]any) {
		all = append(all, audit.Act{Action: action, Target: next.ID, Details: details})
	}
	if changed := changedMembers(was, next); len(changed) > 0 && httpapi.Principal(ctx).Account != next.ID {
		add(actChange, map[string]any{"changed": changed})
	}
	switch {
	case next.Email != was.Email:
		add(ActEmail, nil)
		all[len(all)-1].Email = next.Email
	case next.EmailVerified && !was.EmailVerified:
		add(ActVerify, nil)
	}
	if next.Role != was.Role {
		add(actRole, map[string]any{"role": next.Role, "previous_role": was.Role})
	}
	switch {
	case was.IsActive && !next.IsActive:
		add(actDisable, nil)
	case next.IsActive && !was.IsActive:
		add(actEnable, nil)
	}
	return all
}

// refusedChange notes a change that a rule does not allow, as the act that it would have been, and gives its error back. The
// row does not hold an address that is taken: it is another account's.
func (s *Service) refusedChange(ctx context.Context, id account.ID, c Change, err error) error {
	action := actDisable
	switch {
	case errors.Is(err, ErrEmailTaken):
		action = ActEmail
	case c.Role != nil && *c.Role != account.RoleAdmin:
		action = actRole
	}
	return s.deps.Audit.RefuseConflict(ctx, audit.Act{Action: action, Target: id}, err)
}

// byOwner is an act of whoever comes with a link that was mailed to the account.
func byOwner(action string, id account.ID, email string) audit.Act {
	return audit.Act{Action: action, Actor: id, Target: id, Email: email}
}
