package sessions

import (
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
)

// The acts that this module writes down.
const (
	actLogout = "logout"
	actEnd    = "session.end"
	actReuse  = "session.reuse"
)

func declareActs(t *audit.Trail) {
	t.Declare(actLogout, "somebody signed out: of one session, or of all")
	t.Declare(actEnd, "a session was ended by its user from another one, or sessions were by an administrator")
	t.Declare(actReuse, "a refresh token was used again beyond the leeway, so that two parties hold the session, which was ended")
}

// actOf says what the end of sessions is, and false where it follows from another act, such as a new password.
func actOf(owner account.ID, why Reason, ids []account.SessionID) (audit.Act, bool) {
	a := audit.Act{Target: owner}
	switch why {
	case ReasonLogout:
		a.Action = actLogout
	case ReasonOtherDevice, ReasonAdministrator:
		a.Action = actEnd
	case ReasonReuse:
		a.Action, a.Outcome, a.Reason = actReuse, audit.Refused, string(why)
	default:
		return audit.Act{}, false
	}
	if len(ids) == 1 {
		a.Details = map[string]any{"session_id": ids[0]}
	} else {
		a.Details = map[string]any{"sessions": len(ids)}
	}
	return a, len(ids) > 0
}
