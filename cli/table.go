package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// table lays out rows in columns that a terminal shows straight, whatever people call themselves. Cells that are not ours go
// through legible first.
type table struct {
	w      io.Writer
	rows   [][]string
	widths []int
}

// columnGap stands between two columns.
const columnGap = "  "

func newTable(w io.Writer, head ...string) *table {
	t := &table{w: w}
	if len(head) > 0 {
		t.add(head...)
	}
	return t
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// flush writes the rows that were added since the last time. Columns never become narrower, so that a table which is written
// page by page stays one.
func (t *table) flush() error {
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(t.widths) {
				t.widths = append(t.widths, 0)
			}
			t.widths[i] = max(t.widths[i], columnsOf(cell))
		}
	}
	var out strings.Builder
	for _, row := range t.rows {
		for i, cell := range row {
			out.WriteString(cell)
			if i < len(row)-1 {
				out.WriteString(strings.Repeat(" ", t.widths[i]-columnsOf(cell)) + columnGap)
			}
		}
		out.WriteByte('\n')
	}
	t.rows = nil
	_, err := io.WriteString(t.w, out.String())
	return err
}

// columnsOf is how many columns of a terminal a text takes.
func columnsOf(text string) (n int) {
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case isCombining(r):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// isCombining says whether a terminal draws a character onto the one before: marks, joiners, and the vowels and final
// consonants of Korean syllables that are spelled letter by letter.
func isCombining(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me) || isJoiner(r) || r >= 0x1160 && r <= 0x11ff
}

// legible spells out what a terminal would obey or hide instead of showing it: control characters, and those that turn the
// direction of the text.
func legible(text string) string {
	if !strings.ContainsFunc(text, isIllegible) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isIllegible(r) {
			fmt.Fprintf(&b, `\u{%x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isIllegible(r rune) bool {
	return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && !isJoiner(r)
}

// isJoiner says whether it is one of the two characters without which some scripts cannot be written.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// printJSON writes a document on several lines.
func printJSON(w io.Writer, v any) error {
	return writeJSON(w, v, func(e *json.Encoder) { e.SetIndent("", "  ") })
}

// printJSONLine writes a document on a line of its own.
func printJSONLine(w io.Writer, v any) error { return writeJSON(w, v, func(*json.Encoder) {}) }

// writeJSON spells what a terminal would obey as JSON's escapes, which mean the same.
func writeJSON(w io.Writer, v any, layout func(*json.Encoder)) error {
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	layout(e)
	if err := e.Encode(v); err != nil {
		return err
	}
	out := make([]byte, 0, raw.Len())
	for _, r := range raw.String() {
		if r == '\n' || !isIllegible(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	_, err := w.Write(out)
	return err
}
