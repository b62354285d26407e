package auth

import (
	"time"

	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// limits are the settings under "ratelimit" that belong to this module.
type limits struct {
	register, login, refresh, logout, conflicts, failures *ratelimit.Limit
}

func declareLimits(l *ratelimit.Limits) limits {
	return limits{
		register:  l.Declare("register", ratelimit.PerMinute(5), "registrations from one address"),
		login:     l.Declare("login", ratelimit.PerMinute(10), "logins from one address"),
		refresh:   l.Declare("refresh", ratelimit.PerMinute(20), "refreshes of one session; of one address where the token is not ours"),
		logout:    l.Declare("logout", ratelimit.PerMinute(20), "logouts of one session; of one address where the token is not ours"),
		conflicts: l.Declare("register_conflict", ratelimit.Rate{Count: 20, Per: time.Hour}, "registrations of a known e-mail address that one address may try before it may register no more"),
		failures:  l.Declare("login_failure", ratelimit.Rate{Count: 10, Per: loginWindow}, "failed logins of one account before it is slowed down"),
	}
}
