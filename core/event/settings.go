package event

import "time"

const (
	shortestRetention = time.Hour
	longestRetention  = 10 * 365 * 24 * time.Hour
	mostAttempts      = 30
)

// Settings are the settings under "events".
type Settings struct {
	Retention   time.Duration `conf:"retention" default:"30d" doc:"how long events are kept, 1h to 3650d; never less than every destination needs to get them"`
	MaxAttempts int           `conf:"max_attempts" default:"10" doc:"how often an event is offered to a destination before it is set aside as dead, 1 to 30; ten take about three hours"`
}

// DefaultSettings are the defaults of the tags, for callers that read no configuration, such as tests.
func DefaultSettings() Settings { return Settings{Retention: 30 * 24 * time.Hour, MaxAttempts: 10} }

// Check reports what the settings may not be.
func (s *Settings) Check(report func(field, fault string)) {
	if s.Retention < shortestRetention || s.Retention > longestRetention {
		report("retention", "must be 1h to 3650d")
	}
	if s.MaxAttempts < 1 || s.MaxAttempts > mostAttempts {
		report("max_attempts", "must be between 1 and 30")
	}
}
