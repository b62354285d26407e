package audit

import "time"

const (
	shortestRetention = 24 * time.Hour
	longestRetention  = 10 * 365 * 24 * time.Hour
)

// Settings are the settings under "audit".
type Settings struct {
	Retention time.Duration `conf:"retention" default:"365d" doc:"how long audit rows are kept, 1d to 3650d; a batch goes as a whole once its newest row is as old, and its seal stays"`
}

// DefaultSettings are the defaults of the tags, for callers that read no configuration, such as tests.
func DefaultSettings() Settings { return Settings{Retention: 365 * 24 * time.Hour} }

// Check reports what the settings may not be.
func (s *Settings) Check(report func(field, fault string)) {
	if s.Retention < shortestRetention || s.Retention > longestRetention {
		report("retention", "must be 1d to 3650d")
	}
}
