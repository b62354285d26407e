package users

import (
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
)

// Registered tells that there is an account, however it was made.
type Registered struct {
	UserID        account.ID   `json:"user_id" doc:"the user"`
	Email         string       `json:"email" format:"email" personal:"true" doc:"address, as its owner wrote it"`
	FullName      string       `json:"full_name" personal:"true" doc:"name"`
	Role          account.Role `json:"role" enum:"user,admin" doc:"role"`
	EmailVerified bool         `json:"email_verified" doc:"whether somebody vouched for the address"`
	HasPassword   bool         `json:"has_password" doc:"false for somebody who was invited and is still to choose one"`
}

// Event implements event.Event.
func (e Registered) Event() event.About {
	return event.About{Type: "user.registered.v1", Subject: e.UserID}
}

// EmailVerified tells that the address, which was not verified, is its owner's.
type EmailVerified struct {
	UserID account.ID `json:"user_id" doc:"the user"`
	Email  string     `json:"email" format:"email" personal:"true" doc:"the address"`
}

// Event implements event.Event.
func (e EmailVerified) Event() event.About {
	return event.About{Type: "user.email_verified.v1", Subject: e.UserID}
}

// EmailChanged tells that the account has another address.
type EmailChanged struct {
	UserID        account.ID `json:"user_id" doc:"the user"`
	Email         string     `json:"email" format:"email" personal:"true" doc:"the new address"`
	PreviousEmail string     `json:"previous_email" format:"email" personal:"true" doc:"the old address"`
	EmailVerified bool       `json:"email_verified" doc:"whether the new address is known to be the user's"`
}

// Event implements event.Event.
func (e EmailChanged) Event() event.About {
	return event.About{Type: "user.email_changed.v1", Subject: e.UserID}
}

// Updated tells that members of the profile have changed that no other event is about.
type Updated struct {
	UserID  account.ID `json:"user_id" doc:"the user"`
	Changed []string   `json:"changed" enum:"full_name,locale,timezone,avatar_url,email_verified" doc:"what has changed, by the names of the API; email_verified where it was taken back"`
}

// Event implements event.Event.
func (e Updated) Event() event.About {
	return event.About{Type: "user.updated.v1", Subject: e.UserID}
}

// RoleChanged tells that the account has another role.
type RoleChanged struct {
	UserID       account.ID   `json:"user_id" doc:"the user"`
	Role         account.Role `json:"role" enum:"user,admin" doc:"the new role"`
	PreviousRole account.Role `json:"previous_role" enum:"user,admin" doc:"the old role"`
}

// Event implements event.Event.
func (e RoleChanged) Event() event.About {
	return event.About{Type: "user.role_changed.v1", Subject: e.UserID}
}

// Deactivated tells that the account may not sign in any more.
type Deactivated struct {
	UserID account.ID `json:"user_id" doc:"the user"`
}

// Event implements event.Event.
func (e Deactivated) Event() event.About {
	return event.About{Type: "user.deactivated.v1", Subject: e.UserID}
}

// Activated tells that the account may sign in again.
type Activated struct {
	UserID account.ID `json:"user_id" doc:"the user"`
}

// Event implements event.Event.
func (e Activated) Event() event.About {
	return event.About{Type: "user.activated.v1", Subject: e.UserID}
}

// Deleted tells that the account is gone, with all that was held about it.
type Deleted struct {
	UserID account.ID `json:"user_id" doc:"the user"`
}

// Event implements event.Event.
func (e Deleted) Event() event.About {
	return event.About{Type: "user.deleted.v1", Subject: e.UserID}
}

func declareEvents(o *event.Outbox) {
	event.Declare[Registered](o, "there is a new account: somebody registered, was invited, or was added on the command line")
	event.Declare[EmailVerified](o, "an address that was not verified is known to be its user's: by a mailed link, or because an administrator vouches for it")
	event.Declare[EmailChanged](o, "a user has another address, which they confirmed or an administrator gave them")
	event.Declare[Updated](o, "members of the profile have changed that no other event is about")
	event.Declare[RoleChanged](o, "a user has another role, from the next request on")
	event.Declare[Deactivated](o, "a user may not sign in any more; session.revoked follows for each session")
	event.Declare[Activated](o, "a user may sign in again")
	event.Declare[Deleted](o, "a user is gone for good, with all that was held about them; nothing about them comes later")
}

// eventsOf tells what is different about an account.
func eventsOf(was, next User) (all []event.Event) {
	if changed := changedMembers(was, next); len(changed) > 0 {
		all = append(all, Updated{UserID: next.ID, Changed: changed})
	}
	switch {
	case next.Email != was.Email:
		all = append(all, EmailChanged{UserID: next.ID, Email: next.Email, PreviousEmail: was.Email, EmailVerified: next.EmailVerified})
	case next.EmailVerified && !was.EmailVerified:
		all = append(all, EmailVerified{UserID: next.ID, Email: next.Email})
	}
	if next.Role != was.Role {
		all = append(all, RoleChanged{UserID: next.ID, Role: next.Role, PreviousRole: was.Role})
	}
	switch {
	case was.IsActive && !next.IsActive:
		all = append(all, Deactivated{UserID: next.ID})
	case next.IsActive && !was.IsActive:
		all = append(all, Activated{UserID: next.ID})
	}
	return all
}

// changedMembers names what has changed that Updated is about.
func changedMembers(was, next User) (names []string) {
	if next.FullName != was.FullName {
		names = append(names, "full_name")
	}
	if !sameText(next.Locale, was.Locale) {
		names = append(names, "locale")
	}
	if !sameText(next.Timezone, was.Timezone) {
		names = append(names, "timezone")
	}
	if next.Email == was.Email && was.EmailVerified && !next.EmailVerified {
		names = append(names, "email_verified")
	}
	return names
}

// sameText compares what may be nil.
func sameText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
