package event

import (
	"fmt"
	"io"
	"strings"
)

// WriteReference writes the catalogue as Markdown: every type, when it is told, what it carries, and its schema. It reads no
// store, so what it writes is the same on every machine.
func (o *Outbox) WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| type | told when |\n| --- | --- |\n")
	for _, t := range o.Types() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", t.Name, strings.ReplaceAll(t.Name, ".", ""), t.Doc)
	}
	for _, t := range o.Types() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n| member | personal | what |\n| --- | --- | --- |\n", t.Name, sentence(t.Doc))
		for _, m := range t.Members {
			personal := ""
			if m.Personal {
				personal = "yes"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, personal, strings.ReplaceAll(m.Doc, "|", `\|`))
		}
		fmt.Fprintf(&b, "\n```json\n%s\n```\n", t.Schema())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sentence begins with a capital.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
