package auth

import (
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
)

// LoggedIn tells that somebody has signed in. Who fails to tells nothing.
type LoggedIn struct {
	UserID    account.ID        `json:"user_id" doc:"the user"`
	SessionID account.SessionID `json:"session_id" doc:"the session that has begun: the sid claim of its access tokens"`
}

// Event implements event.Event.
func (e LoggedIn) Event() event.About {
	return event.About{Type: "user.logged_in.v1", Subject: e.UserID}
}

// PasswordChanged tells that somebody who is signed in has set another password.
type PasswordChanged struct {
	UserID account.ID `json:"user_id" doc:"the user"`
}

// Event implements event.Event.
func (e PasswordChanged) Event() event.About {
	return event.About{Type: "user.password_changed.v1", Subject: e.UserID}
}

// PasswordReset tells that somebody has set a password with a mailed link.
type PasswordReset struct {
	UserID  account.ID `json:"user_id" doc:"the user"`
	Invited bool       `json:"invited" doc:"true where the link was an invitation"`
}

// Event implements event.Event.
func (e PasswordReset) Event() event.About {
	return event.About{Type: "user.password_reset.v1", Subject: e.UserID}
}

func declareEvents(o *event.Outbox) {
	event.Declare[LoggedIn](o, "a user has signed in; a refresh of the session tells nothing, nor does a login that fails")
	event.Declare[PasswordChanged](o, "a user has set another password with their current one; session.revoked follows for each other session")
	event.Declare[PasswordReset](o, "a user has set a password with a mailed link, an invitation's among them; session.revoked follows for each session")
}
