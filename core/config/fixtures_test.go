package config_test

import (
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/secret"
)

type engine string

type timeouts struct {
	Idle time.Duration `conf:"idle" default:"24h" doc:"idle life"`
}

type shared struct {
	Name string `conf:"name" default:"gate" doc:"a name"`
}

type target struct {
	URL     string        `conf:"url" doc:"where to"`
	Key     secret.String `conf:"key" doc:"how to get in"`
	Retries int           `conf:"retries" default:"3" doc:"how often"`
	Topics  []string      `conf:"topics" doc:"what"`
	Wait    timeouts      `conf:"wait"`
	On      bool          `conf:"on" doc:"whether"`
	shared2
}

type shared2 struct {
	Kind string `conf:"kind" default:"plain" enum:"plain,fancy" doc:"kind"`
}

func (t *target) Check(report func(field, fault string)) {
	if t.URL == "http://forbidden" {
		report("url", "must not be forbidden")
	}
}

type all struct {
	shared
	Text     string            `conf:"text" default:"hello" doc:"a text"`
	Bool     bool              `conf:"bool" default:"true" doc:"a bool"`
	Int      int               `conf:"int" default:"10" doc:"an int"`
	Int64    int64             `conf:"int64" doc:"an int64"`
	Float    float64           `conf:"float" default:"0.5" doc:"a float"`
	Duration time.Duration     `conf:"duration" default:"30d" doc:"a duration"`
	Size     config.Size       `conf:"size" default:"1MiB" doc:"a size"`
	Engine   engine            `conf:"engine" default:"auto" enum:"auto,off" doc:"a choice | of <two>"`
	Secret   secret.String     `conf:"secret" doc:"a secret"`
	URL      secret.String     `conf:"url" default:"sqlite:db" doc:"a secret with a default"`
	Texts    []string          `conf:"texts" default:"a,b" doc:"texts"`
	Prefixes []netip.Prefix    `conf:"prefixes" doc:"prefixes"`
	Levels   []engine          `conf:"levels" enum:"low,high" doc:"levels"`
	Secrets  []secret.String   `conf:"secrets" doc:"secrets"`
	Targets  []target          `conf:"targets" doc:"structures"`
	Open     []timeouts        `conf:"open" default:"[{\"idle\":\"1h\"}]" doc:"structures without secrets"`
	Nested   timeouts          `conf:"nested"`
	Ignored  map[string]string // no conf tag: not a setting
}

func (a *all) Check(report func(field, fault string)) {
	if a.Int < 0 {
		report("int", "must not be negative")
	}
	if a.Nested.Idle > 48*time.Hour {
		report("nested.idle", "must be two days at most")
	}
	if a.Secret.Reveal() == "hunter2" {
		report("secret", "is too well known")
	}
	if a.Text == "part" {
		report("", "does not fit together")
	}
}

// limits is a dynamic part with a field beside its names.
type limits struct {
	Enabled bool `conf:"enabled" default:"true" doc:"whether limits count"`
	rates   map[string]string
}

func (l *limits) SettingNames() []string { return slices.Collect(maps.Keys(l.rates)) }

func (l *limits) Setting(name string) (text, doc string) { return l.rates[name], "limit " + name }

func (l *limits) SetSetting(name, text string) error {
	if !strings.Contains(text, "/") {
		return errors.New("expected a rate such as 10/1m")
	}
	l.rates[name] = text
	return nil
}

func newLimits() *limits {
	return &limits{rates: map[string]string{"login": "10/1m", "register": "5/1m"}}
}

type file struct {
	text string
	mode fs.FileMode
	err  error
}

// files is a machine with these files alone.
func files(m map[string]file) func(string) ([]byte, fs.FileMode, error) {
	return func(name string) ([]byte, fs.FileMode, error) {
		f, ok := m[name]
		if !ok {
			return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return []byte(f.text), f.mode, f.err
	}
}

func yaml(text string) func(string) ([]byte, fs.FileMode, error) {
	return files(map[string]file{"gatehouse.yaml": {text: text, mode: 0o600}})
}

func parts() (*all, *limits, []config.Part) {
	a, l := &all{}, newLimits()
	return a, l, []config.Part{{Path: "x", Into: a}, {Path: "ratelimit", Into: l}, {Path: "none"}}
}
