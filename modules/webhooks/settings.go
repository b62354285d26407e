package webhooks

import "time"

// Settings are the settings under "webhooks".
type Settings struct {
	DisableAfter  time.Duration `conf:"disable_after" default:"5d" doc:"how long a webhook may take nothing before it is disabled and the administrators are told, 1h to 30d"`
	SecretOverlap time.Duration `conf:"secret_overlap" default:"24h" doc:"how long deliveries are signed with the secret of before as well, once there is a new one, 0s to 30d"`
	LogRetention  time.Duration `conf:"log_retention" default:"7d" doc:"how long attempts at deliveries are shown, 1h to 365d; of one webhook 10,000 at most"`
}

const (
	day = 24 * time.Hour

	longestPatience  = 30 * day
	longestOverlap   = 30 * day
	longestRetention = 365 * day
)

// Check reports what does not make sense.
func (s *Settings) Check(report func(field, fault string)) {
	if s.DisableAfter < time.Hour || s.DisableAfter > longestPatience {
		report("disable_after", "must be 1h to 30d")
	}
	if s.SecretOverlap < 0 || s.SecretOverlap > longestOverlap {
		report("secret_overlap", "must be 0s to 30d")
	}
	if s.LogRetention < time.Hour || s.LogRetention > longestRetention {
		report("log_retention", "must be 1h to 365d")
	}
}
