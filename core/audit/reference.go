package audit

import (
	"fmt"
	"io"
	"strings"
)

// WriteReference writes every action as Markdown. It reads no store, so what it writes is the same on every machine.
func (t *Trail) WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| action | written when |\n| --- | --- |\n")
	for _, a := range t.Actions() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", a.Name, strings.ReplaceAll(a.Doc, "|", `\|`))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
