package config

import "slices"

// Value is one setting and where its value came from.
type Value struct {
	Path    string // "database.pool_min"
	Env     string // "GATEHOUSE_DATABASE_POOL_MIN"
	Type    string // in words: "whole number", "list of text"
	Default string // as its text; empty where there is none
	Value   string // as its text; a secret that was given is "[redacted]", lists of structures are JSON
	Origin  string // "default", "file <path>", "environment" or "flag"
	Doc     string
	Secret  bool // holds a secret: the environment name with _FILE works too
}

// Exposed is a secret in a file that everybody on the machine may read.
type Exposed struct {
	Path string // the setting
	File string // the settings file, or the secret's own
}

// Values is what Load read.
type Values struct {
	all     []Value
	exposed []Exposed
	file    string
}

// All gives every setting in the order of the parts and their fields; dynamic ones follow their part's fields by name.
func (v *Values) All() []Value { return slices.Clone(v.all) }

// Get finds a setting by its path.
func (v *Values) Get(path string) (Value, bool) {
	for _, val := range v.all {
		if val.Path == path {
			return val, true
		}
	}
	return Value{}, false
}

// File is the settings file that was read, or empty.
func (v *Values) File() string { return v.file }

// Exposed lists the secrets that were read from a file which others than its owner and group may read. Production does
// not start with one.
func (v *Values) Exposed() []Exposed { return slices.Clone(v.exposed) }
