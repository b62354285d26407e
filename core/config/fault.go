package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// shown is how many faults an error message lists, and how many unknown names get a suggestion: a file of another
// program has thousands.
const (
	shown     = 100
	suggested = 32
	gotLength = 60
)

// Fault is one thing that is wrong with the settings.
type Fault struct { //nolint:errname // it is a fault of the settings first, and an error by the way
	Path    string // the setting, or the unknown name
	Problem string // what is wrong and what is expected
	From    string // "environment variable GATEHOUSE_X", "file /etc/gatehouse.yaml", "command line", "default" or nothing
	Line    int    // in the file, from 1; 0 is unknown
	Got     string // the value, unless it may hold a secret
	hasGot  bool
}

// Error implements error in one line.
func (f Fault) Error() string {
	var b strings.Builder
	if f.Path != "" {
		b.WriteString(oneLine(f.Path) + ": ")
	}
	b.WriteString(oneLine(f.Problem))
	if f.hasGot {
		b.WriteString(", got " + quote(f.Got))
	}
	if f.From != "" {
		b.WriteString(" (from " + f.From)
		if f.Line > 0 {
			fmt.Fprintf(&b, ", line %d", f.Line)
		}
		b.WriteString(")")
	}
	return b.String()
}

var userinfo = regexp.MustCompile(`://[^/@\s]*@`)

// quote keeps a value to one line of bounded length, without what stands before the host of a URL: people put passwords
// there in settings that are no secrets.
func quote(s string) string {
	s = userinfo.ReplaceAllString(s, "://[redacted]@")
	if r := []rune(s); len(r) > gotLength {
		s = string(r[:gotLength]) + "…"
	}
	return strconv.Quote(s)
}

// oneLine keeps a name that comes from a file from forging a line.
func oneLine(s string) string {
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Faults is every fault that Load found, in order of their paths. errors.As also finds each single Fault.
type Faults []Fault //nolint:errname,recvcheck // as Fault; only the loader adds to it

// Error implements error: one line a fault.
func (fs Faults) Error() string {
	lines := make([]string, 0, min(len(fs), shown)+1)
	for i, f := range fs {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more", len(fs)-shown))
			break
		}
		lines = append(lines, f.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults one by one.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

func (fs *Faults) add(f Fault) { *fs = append(*fs, f) }

func (fs Faults) sorted() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Problem, b.Problem))
	})
	return fs
}

// nearest gives the known name that an unknown one was probably meant to be, or nothing: one with the same last words, or
// the one with the fewest letters changed, a quarter of them at most.
func nearest(unknown string, known []string, separator string) string {
	low := strings.ToLower(unknown)
	best, distance := "", max(2, len(low)/4)+1
	var endings []string
	for _, k := range known {
		if strings.HasSuffix(strings.ToLower(k), separator+low) {
			endings = append(endings, k)
		}
		if abs(len(k)-len(low)) >= distance {
			continue
		}
		if d := edits(low, strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best == "" && len(endings) == 1 {
		return endings[0]
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
