package sessions

import (
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
)

// Revoked tells that a session has ended before its time. A deleted account's sessions go with it and tell nothing.
type Revoked struct {
	UserID    account.ID        `json:"user_id" doc:"whose session it was"`
	SessionID account.SessionID `json:"session_id" doc:"the session: the sid claim of its access tokens"`
	Reason    Reason            `json:"reason" enum:"logout,other_device,password_change,reset,reuse_detected,administrator" doc:"why it has ended"`
}

// Event implements event.Event.
func (e Revoked) Event() event.About {
	return event.About{Type: "session.revoked.v1", Subject: e.UserID}
}

// ReuseDetected tells that two parties hold refresh tokens of one session, which has ended for that.
type ReuseDetected struct {
	UserID    account.ID        `json:"user_id" doc:"whose session it was"`
	SessionID account.SessionID `json:"session_id" doc:"the session: the sid claim of its access tokens"`
}

// Event implements event.Event.
func (e ReuseDetected) Event() event.About {
	return event.About{Type: "session.reuse_detected.v1", Subject: e.UserID}
}

func declareEvents(o *event.Outbox) {
	event.Declare[Revoked](o, "a session was ended before its time: by its user, a new password, an administrator or the reuse of a refresh token; a deleted account's sessions go with user.deleted alone")
	event.Declare[ReuseDetected](o, "a refresh token was used again beyond the leeway, so that two parties hold the session; session.revoked follows")
}
