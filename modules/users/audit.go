package users

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

// The acts that this module writes down.
const (
	actChange  = "user.change"
	actEmail   = "user.email"
	actVerify  = "user.verify_email"
	actRole    = "user.role"
	actDisable = "user.disable"
	actEnable  = "user.enable"
	actDelete  = "user.delete"
)

func declareActs(t *audit.Trail) {
	t.Declare(actChange, "somebody else changed a user's profile; the details name the members")
	t.Declare(actEmail, "a user has another e-mail address, which they confirmed or an administrator gave them")
	t.Declare(actVerify, "an e-mail address is known to be its user's: by a mailed link, or because an administrator vouches for it")
	t.Declare(actRole, "a user has another role")
	t.Declare(actDisable, "a user may not sign in any more; their sessions have ended")
	t.Declare(actEnable, "a user may sign in again")
	t.Declare(actDelete, "a user was deleted, by themselves or somebody else; what is personal in older rows has gone")
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
		add(actEmail, nil)
		all[len(all)-1].Email = next.Email
	case next.EmailVerified && !was.EmailVerified:
		add(actVerify, nil)
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

// byOwner is an act of whoever comes with a link that was mailed to the account.
func byOwner(action string, id account.ID, email string) audit.Act {
	return audit.Act{Action: action, Actor: id, Target: id, Email: email}
}
