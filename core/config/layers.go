package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const defaultFile = "gatehouse.yaml"

var errTooLarge = fmt.Errorf("is larger than %s", Size(MaxFile))

// readFile reads a regular file, a pipe or a link to one, and its permissions from the same opened file.
func readFile(name string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	return data, info.Mode(), err
}

// read adds the limit, which a reader of the caller's may not have, and cuts paths from messages.
func (l *loader) read(name string) (data []byte, open bool, err error) {
	data, mode, err := l.src.ReadFile(name)
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if err == nil && len(data) > MaxFile {
		err = errTooLarge
	}
	return data, mode.Perm()&0o004 != 0, err
}

// environment gives the variables that start with our prefix.
func (l *loader) environment() map[string]string {
	env := map[string]string{}
	for _, line := range l.src.Environ {
		name, value, ok := strings.Cut(line, "=")
		if _, again := env[name]; ok && !again && strings.HasPrefix(name, envPrefix) {
			env[name] = value
		}
	}
	return env
}

// file reads the settings file, where there is one.
func (l *loader) file(env map[string]string) map[string]given {
	name, needed := l.src.File, true
	if name == "" {
		name = env[envFile]
	}
	if name == "" {
		name, needed = defaultFile, false
	}
	data, open, err := l.read(name)
	if errors.Is(err, fs.ErrNotExist) && !needed {
		return nil
	}
	l.path = name
	g := given{origin: "file " + name, from: "file " + name, file: name, open: open}
	if err != nil {
		l.faults.add(Fault{Path: "settings file", Problem: "cannot be read: " + err.Error(), From: g.from})
		return nil
	}
	root, problems := parseYAML(data)
	for _, p := range problems {
		l.faults.add(Fault{Path: p.path, Problem: p.text, From: g.from, Line: p.line})
	}
	out := map[string]given{}
	if root != nil {
		l.walk(root, "", g, out)
	}
	return out
}

// walk sorts a file's values by their setting.
func (l *loader) walk(n *node, path string, g given, out map[string]given) {
	if n.kind == nullNode {
		return
	}
	if n.kind != mappingNode {
		l.faults.add(Fault{Path: path, Problem: "expected a mapping of settings", From: g.from, Line: n.line})
		return
	}
	for _, m := range n.members {
		at := join(path, m.name)
		switch {
		case l.schema.byPath[at] != nil:
			if m.value.kind != nullNode {
				entry := g
				entry.node = m.value
				out[at] = entry
			}
		case l.schema.inner[at]:
			l.walk(m.value, at, g, out)
		default:
			l.faults.add(Fault{Path: at, Problem: l.unknownPath(at), From: g.from, Line: m.value.line})
		}
	}
}

func (l *loader) unknownPath(path string) string {
	if len(l.faults) > suggested {
		return "unknown setting"
	}
	known := slices.Sorted(maps.Keys(l.schema.byPath))
	for p := range l.schema.inner {
		if p != "" {
			known = append(known, p)
		}
	}
	slices.Sort(known)
	return unknown(path, known, ".")
}

func unknown(name string, known []string, separator string) string {
	if near := nearest(name, known, separator); near != "" {
		return fmt.Sprintf("unknown setting; did you mean %s?", near)
	}
	return "unknown setting"
}

// fromEnvironment takes the variables of settings and refuses all others.
func (l *loader) fromEnvironment(env map[string]string) {
	rest := maps.Clone(env)
	delete(rest, envFile)
	for _, f := range l.schema.fields {
		text, ok := env[f.env]
		delete(rest, f.env)
		if ok {
			l.take(f, text, given{origin: "environment", from: "environment variable " + f.env})
		}
		if !f.secret {
			continue
		}
		delete(rest, f.env+fileTail)
		if name, asFile := env[f.env+fileTail]; asFile {
			l.secretFile(f, name, ok)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if serviceLink(name, rest[name]) {
			continue
		}
		l.faults.add(Fault{Path: name, Problem: l.unknownVariable(name), From: "environment"})
	}
}

func (l *loader) unknownVariable(name string) string {
	if len(l.faults) > suggested {
		return "unknown setting"
	}
	known := []string{envFile}
	for _, f := range l.schema.fields {
		if name == f.env+fileTail {
			return "unknown setting; only secrets are read from a file that a variable names"
		}
		known = append(known, f.env)
		if f.secret {
			known = append(known, f.env+fileTail)
		}
	}
	return unknown(name, known, "_")
}

// secretFile takes a secret from the file that its variable names; the newline that editors add is cut.
func (l *loader) secretFile(f *field, name string, both bool) {
	from := "environment variable " + f.env + fileTail
	if both {
		l.faults.add(Fault{Path: f.path, Problem: fmt.Sprintf("%s and %s%s are both set; expected one", f.env, f.env, fileTail), From: "environment"})
		return
	}
	data, open, err := l.read(name)
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case err != nil:
		l.faults.add(Fault{Path: f.path, Problem: fmt.Sprintf("file %s cannot be read: %s", quote(name), err), From: from})
	case text == "":
		l.faults.add(Fault{Path: f.path, Problem: fmt.Sprintf("file %s is empty", quote(name)), From: from})
	default:
		l.take(f, text, given{origin: "file " + name, from: "file " + name, file: name, open: open})
	}
}

// take keeps a value that was given as one text.
func (l *loader) take(f *field, text string, g given) {
	g.node = &node{kind: scalarNode, text: text}
	if f.typ == "list of structures" {
		n, problems := parseJSON(text)
		for _, p := range problems {
			l.faults.add(f.fault(p, g))
		}
		if len(problems) > 0 {
			return
		}
		g.node = n
	}
	l.given[f.path] = g
}

func (l *loader) fromFlags() {
	for _, path := range slices.Sorted(maps.Keys(l.src.Args)) {
		f := l.schema.byPath[path]
		if f == nil {
			l.faults.add(Fault{Path: path, Problem: l.unknownPath(path), From: "command line"})
			continue
		}
		l.take(f, l.src.Args[path], given{origin: "flag", from: "command line"})
	}
}

var (
	serviceHost = regexp.MustCompile(`^GATEHOUSE_([A-Z0-9_]+?_)??SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$`)
	servicePort = regexp.MustCompile(`^GATEHOUSE_([A-Z0-9_]+?_)??PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
	serviceURL  = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// serviceLink knows the variables that Kubernetes sets in every pod beside a service named gatehouse or gatehouse-…: they
// are nobody's mistake. GATEHOUSE_PORT=8080 still is one.
func serviceLink(name, value string) bool {
	if serviceHost.MatchString(name) {
		return true
	}
	m := servicePort.FindStringSubmatch(name)
	return m != nil && (m[4] != "" || serviceURL.MatchString(value))
}
