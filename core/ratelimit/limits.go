package ratelimit

import (
	"errors"
	"fmt"
	"strconv"
)

// Limit is a named rate. Name is 1 to 40 of a-z, 0-9 and _, and begins with a letter; Rate is the default until settings
// replace it, and does not change once requests are served; Doc says in a sentence what is counted and by what key.
type Limit struct {
	Name string
	Rate Rate
	Doc  string
}

// Limits are all limits of a process. Modules declare theirs before settings are read; nothing changes afterwards, so that
// requests read without locks.
type Limits struct {
	disabled bool
	names    []string
	byName   map[string]*Limit
}

// NewLimits makes an empty collection, switched on.
func NewLimits() *Limits { return &Limits{byName: map[string]*Limit{}} }

const enabledName = "enabled"

// Declare adds a limit under the setting ratelimit.<name>. It panics where the name is taken or malformed, the rate out of
// bounds or the doc missing: that is a mistake in the program, found by building it once.
func (l *Limits) Declare(name string, rate Rate, doc string) *Limit {
	switch {
	case !validName(name) || name == enabledName:
		panic(fmt.Sprintf("ratelimit: %q is no name for a limit", name))
	case l.byName[name] != nil:
		panic(fmt.Sprintf("ratelimit: limit %q is declared twice", name))
	case rate.check() != nil:
		panic(fmt.Sprintf("ratelimit: limit %q %v", name, rate.check()))
	case doc == "":
		panic(fmt.Sprintf("ratelimit: limit %q has no doc", name))
	}
	limit := &Limit{Name: name, Rate: rate, Doc: doc}
	l.names = append(l.names, name)
	l.byName[name] = limit
	return limit
}

// Enabled says whether limits apply at all. When they do not, no request may reach a Limiter.
func (l *Limits) Enabled() bool { return !l.disabled }

// SettingNames lists the settings under "ratelimit": enabled, then every limit in the order of declaration.
func (l *Limits) SettingNames() []string { return append([]string{enabledName}, l.names...) }

// Setting gives the text in force and the doc; both are empty for an unknown name.
func (l *Limits) Setting(name string) (text, doc string) {
	if name == enabledName {
		return strconv.FormatBool(!l.disabled), "whether limits, budgets and delays apply; production refuses false"
	}
	if limit := l.byName[name]; limit != nil {
		return limit.Rate.String(), limit.Doc
	}
	return "", ""
}

var (
	errUnknown = errors.New("is not a limit")
	errBool    = errors.New("must be true or false")
)

// SetSetting puts a text into force. The error says what is wrong with it; nothing has changed then.
func (l *Limits) SetSetting(name, text string) error {
	if name == enabledName {
		if text != "true" && text != "false" {
			return errBool
		}
		l.disabled = text == "false"
		return nil
	}
	limit := l.byName[name]
	if limit == nil {
		return errUnknown
	}
	return limit.Rate.UnmarshalText([]byte(text))
}

func validName(s string) bool {
	if s == "" || len(s) > 40 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}
