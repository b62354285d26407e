package schema

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// statement is one statement of a script.
type statement struct {
	why    string
	tokens []string // words, literals and signs, without comments
}

// scanner takes a script apart.
type scanner struct {
	rest    string
	why     []string
	closed  bool // a statement has ended since the comment began, so that the next comment is another one
	newline bool // all there was since the last line end is space
	tokens  []string
	all     []statement
}

// scan gives the statements of a script. A trigger's body belongs to its statement.
func scan(sql string) []statement {
	s := &scanner{rest: sql}
	for s.rest != "" {
		s.step()
	}
	s.end()
	return s.all
}

func (s *scanner) step() {
	c, size := utf8.DecodeRuneInString(s.rest)
	switch {
	case c == '\n':
		if s.newline && len(s.tokens) == 0 {
			s.why = nil // a blank line ends what a comment is about
		}
		s.newline, s.rest = true, s.rest[1:]
		return
	case unicode.IsSpace(c):
		s.rest = s.rest[size:]
		return
	}
	s.newline = false
	switch {
	case strings.HasPrefix(s.rest, "--"):
		s.comment()
	case strings.HasPrefix(s.rest, "/*"):
		s.skipTo("*/", 2)
	case c == ';' && !s.inTrigger():
		s.rest = s.rest[1:]
		s.end()
	case c == '\'' || c == '"' || c == '`':
		s.take(quoted(s.rest, s.rest[:1]))
	case c == '$' && dollar(s.rest) != "":
		tag := dollar(s.rest)
		s.take(len(tag) + quotedBy(s.rest[len(tag):], tag))
	case isWord(c):
		s.take(wordLength(s.rest))
	case strings.HasPrefix(s.rest, "<=") || strings.HasPrefix(s.rest, ">=") || strings.HasPrefix(s.rest, "<>") || strings.HasPrefix(s.rest, "||") || strings.HasPrefix(s.rest, "::"):
		s.take(2)
	default:
		s.take(size)
	}
}

func (s *scanner) take(n int) {
	s.tokens = append(s.tokens, s.rest[:n])
	s.rest = s.rest[n:]
}

// comment keeps a comment between statements as a reason, and passes over one inside a statement.
func (s *scanner) comment() {
	line, _, _ := strings.Cut(s.rest, "\n")
	s.rest = s.rest[len(line):]
	if len(s.tokens) > 0 {
		return
	}
	if s.closed {
		s.why, s.closed = nil, false
	}
	s.why = append(s.why, strings.TrimSpace(strings.TrimPrefix(line, "--")))
}

func (s *scanner) skipTo(mark string, from int) {
	at := strings.Index(s.rest[from:], mark)
	if at < 0 {
		s.rest = ""
		return
	}
	s.rest = s.rest[from+at+len(mark):]
}

func (s *scanner) end() {
	if len(s.tokens) > 0 {
		s.all = append(s.all, statement{why: strings.Join(s.why, " "), tokens: s.tokens})
		s.tokens, s.closed = nil, true
	}
}

// inTrigger says whether a semicolon belongs to a trigger's body, which SQLite writes between BEGIN and END.
func (s *scanner) inTrigger() bool {
	depth := 0
	for _, t := range s.tokens {
		switch strings.ToUpper(t) {
		case "BEGIN", "CASE":
			depth++
		case "END":
			depth--
		}
	}
	return depth > 0
}

// quoted gives the length of a literal, in which a doubled quote stands for one.
func quoted(s, quote string) int {
	for at := 1; ; {
		next := strings.Index(s[at:], quote)
		if next < 0 {
			return len(s)
		}
		at += next + 1
		if !strings.HasPrefix(s[at:], quote) {
			return at
		}
		at++
	}
}

func quotedBy(s, tag string) int {
	if at := strings.Index(s, tag); at >= 0 {
		return at + len(tag)
	}
	return len(s)
}

// dollar gives the tag that opens PostgreSQL's other kind of literal, or nothing.
func dollar(s string) string {
	end := strings.IndexByte(s[1:], '$')
	if end < 0 || strings.ContainsFunc(s[1:1+end], func(c rune) bool { return !isWord(c) }) {
		return ""
	}
	return s[:end+2]
}

func isWord(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }

func wordLength(s string) int {
	if end := strings.IndexFunc(s, func(c rune) bool { return !isWord(c) }); end >= 0 {
		return end
	}
	return len(s)
}

// text writes tokens as people do.
func text(tokens []string) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 && spaced(tokens[i-1], t) {
			b.WriteByte(' ')
		}
		b.WriteString(t)
	}
	return b.String()
}

func spaced(before, t string) bool {
	switch {
	case t == "," || t == ")" || t == "." || t == "::" || before == "(" || before == "." || before == "::":
		return false
	case t == "(":
		return !isFunction(before)
	default:
		return true
	}
}

// isFunction tells a name that its arguments follow closely from a word of SQL.
func isFunction(word string) bool {
	switch strings.ToUpper(word) {
	case "COALESCE", "LOWER", "UPPER", "NUMERIC", "VARCHAR", "CHAR", "LENGTH", "DATE":
		return true
	default:
		return false
	}
}
