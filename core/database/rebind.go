package database

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// maxRebound bounds the memory of rebound texts. SQL is constants of the source, so it is never reached; SQL that were
// built from input would only lose the saving.
const maxRebound = 4096

// rebinder makes PostgreSQL's texts of ours, and remembers them.
type rebinder struct {
	spell func(sql string) string
	texts sync.Map // string → string
	size  atomic.Int64
}

func (r *rebinder) rebind(sql string) string {
	if v, ok := r.texts.Load(sql); ok {
		return v.(string)
	}
	out := r.spell(sql)
	if r.size.Load() < maxRebound {
		if _, loaded := r.texts.LoadOrStore(sql, out); !loaded {
			r.size.Add(1)
		}
	}
	return out
}

// rebind turns each ? into $1, $2, … where it is not in a string, a quoted name, a comment or a dollar-quoted text.
// PostgreSQL's operators that hold a ? cannot be written: SQLite has none of them.
func rebind(sql string) string {
	if !strings.Contains(sql, "?") {
		return sql
	}
	var b strings.Builder
	b.Grow(len(sql) + 16)
	n := 0
	for i := 0; i < len(sql); {
		if sql[i] == '?' {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			i++
			continue
		}
		end := i + opaque(sql, i)
		b.WriteString(sql[i:end])
		i = end
	}
	return b.String()
}

// opaque gives the length of what starts at i and is to be copied as it is: a whole literal or comment, else one byte.
func opaque(sql string, i int) int {
	rest := sql[i:]
	switch {
	case rest[0] == '\'':
		return quoted(rest, '\'', i > 0 && (sql[i-1] == 'e' || sql[i-1] == 'E') && (i == 1 || !wordByte(sql[i-2])))
	case rest[0] == '"':
		return quoted(rest, '"', false)
	case strings.HasPrefix(rest, "--"):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			return n + 1
		}
		return len(rest)
	case strings.HasPrefix(rest, "/*"):
		return blockComment(rest)
	case rest[0] == '$' && (i == 0 || !wordByte(sql[i-1])):
		return dollarQuoted(rest)
	}
	return 1
}

// quoted measures a text in quotes. A doubled quote ends it and starts the next, which comes to the same.
func quoted(s string, quote byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// blockComment measures a comment; PostgreSQL's nest.
func blockComment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// dollarQuoted measures $tag$ … $tag$, or gives 1 where no such text starts.
func dollarQuoted(s string) int {
	n := 1
	for n < len(s) && wordByte(s[n]) {
		n++
	}
	if n == len(s) || s[n] != '$' || (n > 1 && s[1] >= '0' && s[1] <= '9') {
		return 1
	}
	tag := s[:n+1]
	if end := strings.Index(s[len(tag):], tag); end >= 0 {
		return len(tag) + end + len(tag)
	}
	return len(s)
}

func wordByte(c byte) bool {
	return c == '_' || c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}

// noRowChanged is what the server cannot read as a number, so that its error says why.
const noRowChanged = "gatehouse: no row changed"

// demand makes a statement that fails where the one that changes rows changes none, as rebind spells it. So the server decides
// whether those behind it run, and nobody waits for its answer.
func demand(sql string) string {
	return "WITH changed AS (" + rebind(sql) + "\nRETURNING 1) SELECT CAST(CASE count(*) WHEN 0 THEN '" + noRowChanged + "' ELSE '1' END AS integer) FROM changed"
}
