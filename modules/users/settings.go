package users

import (
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

// Settings are the settings under "users".
type Settings struct {
	Avatar struct {
		MaxSize config.Size `conf:"max_size" default:"5MiB" doc:"largest file that is taken as a picture, 1KiB to 32MiB; all uploads at a time share 32MiB"`
	} `conf:"avatar"`
}

// Check reports what does not make sense.
func (s *Settings) Check(report func(field, fault string)) {
	if s.Avatar.MaxSize < 1<<10 || s.Avatar.MaxSize > httpapi.MaxUpload {
		report("avatar.max_size", "must be 1KiB to 32MiB")
	}
}
