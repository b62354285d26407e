package config

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteReference writes a Markdown table of every setting: name, environment name, type, default, meaning. It starts
// nothing and reads no value, so what it writes is the same on every machine.
func WriteReference(w io.Writer, parts ...Part) error {
	s := describe(parts)
	if len(s.faults) > 0 {
		return s.faults.sorted()
	}
	var b strings.Builder
	b.WriteString("| setting | environment | type | default | meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range s.fields {
		env := "`" + f.env + "`"
		if f.secret {
			env += ", `" + f.env + fileTail + "`"
		}
		def := ""
		if f.def != "" {
			def = "`" + strings.ReplaceAll(f.def, "|", `\|`) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.path, env, cell(f.typ), def, cell(f.doc))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var cellEscapes = strings.NewReplacer("|", `\|`, "<", "&lt;")

// cell keeps a text inside its cell of a table, and <path> from being read as HTML.
func cell(s string) string { return cellEscapes.Replace(strings.Join(strings.Fields(s), " ")) }

// quoteJSON is s as a JSON string.
func quoteJSON(s string) string {
	b, _ := json.Marshal(s) //nolint:errchkjson // a string always marshals
	return string(b)
}
