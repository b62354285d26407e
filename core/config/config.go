// Package config reads settings: one struct per part, filled from flags, the environment, a YAML file and defaults, in
// that order of precedence. A setting's name, default and meaning stand only in its struct's tags. All faults of all parts
// are reported together, each with the setting's path, where the value came from and what is expected. A secret is never
// echoed.
//
// The environment name of a setting is GATEHOUSE_ and its path in capitals, dots as underscores. Lists are separated by
// commas, lists of structures are JSON there and native in YAML. Every secret can also be given as the name of a file that
// holds it, in a variable that ends in _FILE.
//
// The file goes through the YAML library that koanf's parser stands on, and not through koanf: koanf gives decoded values
// in a map, where 1.10 became 1.1, a secret 0123 became 83, a key with a dot became a nested one, and neither the line nor
// the layer that a value came from is left. Settings are read from the text as written instead, the same in every layer.
package config

import (
	"io/fs"
	"maps"
	"reflect"
)

// MaxFile is the most bytes of a settings or secret file that are accepted.
const MaxFile = 1 << 20

// Part is the settings of one part of the app.
type Part struct {
	Path string // prefixes the names of its fields, "database"; empty for the root
	// Into points to the struct to fill; nil is a part without settings. Tags: conf is the name, default the text of the
	// default, doc the meaning, enum the allowed texts separated by commas. A field without conf is no setting.
	Into any
}

// Checker is a settings struct with rules of its own. Check is called once every value was read, whether or not others
// were faulty (those hold their defaults). It calls report with the conf name of the field, nested ones with dots, and what
// is wrong with it; the text must not hold a secret.
type Checker interface {
	Check(report func(field, fault string))
}

// ProductionChecker is a settings struct of which production refuses some of what Check lets pass. CheckProduction reports
// it as Check does; Load does not call it, since starting is what is refused.
type ProductionChecker interface {
	CheckProduction(report func(field, fault string))
}

// Dynamic is a part whose names are known only at run time, such as one setting per rate limit. Setting gives the text in
// force, which before Load is the default.
type Dynamic interface {
	SettingNames() []string
	Setting(name string) (text, doc string)
	SetSetting(name, text string) error
}

// Source is where Load finds values. The zero Source has none beside ./gatehouse.yaml.
type Source struct {
	Args    map[string]string // from the command line: setting path to text
	Environ []string          // "NAME=value", as os.Environ gives it; of equal names the first counts
	File    string            // settings file; empty means GATEHOUSE_CONFIG, else ./gatehouse.yaml where it exists
	// ReadFile reads a settings or secret file and its permissions; nil reads from the machine, MaxFile bytes at most.
	ReadFile func(name string) ([]byte, fs.FileMode, error)
}

// Load fills every part. Its error is of type Faults and holds every fault of every part, unknown names included; the
// structs must not be used then.
func Load(src Source, parts ...Part) (*Values, error) {
	s := describe(parts)
	l := &loader{schema: s, src: src, given: map[string]given{}}
	if l.src.ReadFile == nil {
		l.src.ReadFile = readFile
	}
	l.faults = append(l.faults, s.faults...)
	env := l.environment()
	file := l.file(env)
	maps.Copy(l.given, file)
	l.fromEnvironment(env)
	l.fromFlags()
	l.apply()
	l.check()
	if len(l.faults) > 0 {
		return nil, l.faults.sorted()
	}
	return l.values(), nil
}

// given is a value of one layer.
type given struct {
	node   *node
	origin string // as Value.Origin
	from   string // as Fault.From, without the line
	file   string // where it was read from, for the secrets that stand open
	open   bool   // everybody on the machine may read that file
}

type loader struct {
	schema *schema
	src    Source
	given  map[string]given // by path; the layer that counts
	path   string           // of the settings file
	faults Faults
}

// apply sets every field: its default first, so that a part can be loaded twice, and then what was given.
func (l *loader) apply() {
	for _, f := range l.schema.fields {
		if !f.isDynamic() {
			f.value.SetZero()
			if f.def != "" {
				// The default was seen to be good when the schema was made.
				_ = setText(f.value, f.rule, f.def)
			}
		}
		g, ok := l.given[f.path]
		if !ok {
			continue
		}
		for _, p := range f.set(g.node) {
			l.faults.add(f.fault(p, g))
		}
	}
}

// fault makes a Fault of a problem with a value of f. A value that may hold a secret is not echoed.
func (f *field) fault(p problem, g given) Fault {
	out := Fault{Path: below(f.path, p.path), Problem: p.text, From: g.from, Line: p.line}
	if !f.secret && p.hasGot {
		out.Got, out.hasGot = p.got, true
	}
	if f.secret {
		out.Problem = p.safe
	}
	return out
}

// check runs the rules of every struct. A field that is faulty already is not reported again: its value is not the one
// that was given. An embedded struct's Check may be called twice, once through the struct around it.
func (l *loader) check() {
	faulty := map[string]bool{}
	for _, f := range l.faults {
		faulty[f.Path] = true
	}
	type report struct{ path, problem string }
	reported := map[report]bool{}
	for _, c := range l.schema.checkers() {
		c.checker.Check(func(name, problem string) {
			r := report{join(c.path, name), problem}
			if faulty[r.path] || reported[r] {
				return
			}
			reported[r] = true
			l.faults.add(l.broken(r.path, problem))
		})
	}
}

// broken makes a Fault of a rule that the value at path breaks.
func (l *loader) broken(path, problem string) Fault {
	out := Fault{Path: path, Problem: problem}
	f := l.schema.holding(path)
	if f == nil {
		return out
	}
	out.From = "default"
	if g, ok := l.given[f.path]; ok {
		out.From, out.Line = g.from, g.node.line
	}
	if !f.secret && f.path == path {
		out.Got, out.hasGot = f.text(), true
	}
	return out
}

// values keeps what All tells. Texts are made now, since parts may be changed later.
func (l *loader) values() *Values {
	v := &Values{file: l.path}
	for _, f := range l.schema.fields {
		val := Value{Path: f.path, Env: f.env, Type: f.typ, Default: f.def, Origin: "default", Doc: f.doc, Secret: f.secret}
		val.Value = f.text()
		if g, ok := l.given[f.path]; ok {
			val.Origin = g.origin
			if f.secret && g.open {
				v.exposed = append(v.exposed, Exposed{Path: f.path, File: g.file})
			}
		} else {
			val.Value = f.def // a secret's default is public
		}
		v.all = append(v.all, val)
	}
	return v
}

func (f *field) isDynamic() bool { return f.dynamic != nil }

// set reads n into the field and says what is wrong with it.
func (f *field) set(n *node) []problem {
	if !f.isDynamic() {
		scratch := reflect.New(f.value.Type()).Elem()
		problems := setNode(scratch, f.rule, n, "")
		if len(problems) == 0 {
			f.value.Set(scratch)
		}
		return problems
	}
	if n.kind != scalarNode {
		return []problem{{text: "expected one text", safe: "expected one text", line: n.line}}
	}
	if err := f.dynamic.SetSetting(f.name, n.text); err != nil {
		return []problem{{text: err.Error(), safe: "is not valid", got: n.text, hasGot: true, line: n.line}}
	}
	return nil
}

// text is the value as `gatehouse config` shows it.
func (f *field) text() string {
	if f.isDynamic() {
		text, _ := f.dynamic.Setting(f.name)
		return text
	}
	return format(f.value)
}
