package auth

import (
	"time"

	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// limits are the settings under "ratelimit" that belong to this module.
type limits struct {
	register, login, forgot, reset, verify, resend, confirm *ratelimit.Limit // per client address
	refresh, logout                                         *ratelimit.Limit // per session
	conflicts, failures, forgotAccount                      *ratelimit.Limit
	currentPassword                                         *ratelimit.Limit // per account
}

func declareLimits(l *ratelimit.Limits) limits {
	return limits{
		register:        l.Declare("register", ratelimit.PerMinute(5), "registrations from one address"),
		login:           l.Declare("login", ratelimit.PerMinute(10), "logins from one address"),
		refresh:         l.Declare("refresh", ratelimit.PerMinute(20), "refreshes of one session; of one address where the token is not ours"),
		logout:          l.Declare("logout", ratelimit.PerMinute(20), "logouts of one session; of one address where the token is not ours"),
		forgot:          l.Declare("forgot", ratelimit.PerMinute(3), "requests for a new password from one address"),
		forgotAccount:   l.Declare("forgot_account", ratelimit.PerMinute(3), "requests for a new password of one account, whether it exists or not"),
		reset:           l.Declare("reset", ratelimit.PerMinute(3), "new passwords set with mailed links from one address"),
		verify:          l.Declare("verify", ratelimit.PerMinute(10), "e-mail addresses verified from one address"),
		resend:          l.Declare("resend", ratelimit.PerMinute(3), "requests for another verification mail from one address"),
		confirm:         l.Declare("confirm", ratelimit.PerMinute(10), "changes of an e-mail address confirmed from one address"),
		conflicts:       l.Declare("register_conflict", ratelimit.Rate{Count: 20, Per: time.Hour}, "registrations of a known e-mail address that one address may try before it may register no more"),
		currentPassword: l.Declare("current_password", ratelimit.PerMinute(5), "times that one user's current password is checked, over all that asks for it"),
		failures:        l.Declare("login_failure", ratelimit.Rate{Count: 10, Per: loginWindow}, "failed logins of one account before it is slowed down"),
	}
}
