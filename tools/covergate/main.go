// Command covergate reads Go cover profiles and fails when tests reach too little of the code.
//
//	covergate -min 85:core/,modules/ -min 95:core/token coverage/*.out
//
// Profiles are merged: a statement that any of them reached counts as reached. A rule's folders are taken together; a
// folder that ends in a slash stands for all below it. A rule that matches nothing fails.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// block is a run of statements between two places of a file, as profiles write it: "file.go:1.2,3.4".
type block string

type count struct {
	statements int
	reached    bool
}

type profile map[block]count

// rule asks for a share of statements over some folders.
type rule struct {
	percent float64
	folders []string
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "covergate:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	var rules []rule
	flags := flag.NewFlagSet("covergate", flag.ContinueOnError)
	module := flags.String("module", "", "module path, left out of what is printed")
	flags.Func("min", "PERCENT:folder[,folder...]; may be repeated", func(text string) error {
		r, err := parseRule(text)
		rules = append(rules, r)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	p := profile{}
	for _, name := range flags.Args() {
		if err := p.readFile(name); err != nil {
			return err
		}
	}
	if len(p) == 0 {
		return errors.New("no profile holds anything")
	}
	return p.report(out, strings.TrimSuffix(*module, "/")+"/", rules)
}

func parseRule(text string) (rule, error) {
	percent, folders, ok := strings.Cut(text, ":")
	value, err := strconv.ParseFloat(percent, 64)
	if !ok || err != nil || folders == "" {
		return rule{}, fmt.Errorf("not PERCENT:folder: %q", text)
	}
	return rule{value, strings.Split(folders, ",")}, nil
}

func (p profile) readFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := p.read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// read adds a profile: lines of "file.go:1.2,3.4 statements times" after one that says the mode.
func (p profile) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "mode: ") || line == "" {
			continue
		}
		words := strings.Fields(line)
		if len(words) != 3 {
			return fmt.Errorf("not a line of a profile: %q", line)
		}
		statements, err := strconv.Atoi(words[1])
		if err != nil {
			return fmt.Errorf("not a line of a profile: %q", line)
		}
		at := block(words[0])
		p[at] = count{statements, p[at].reached || words[2] != "0"}
	}
	return lines.Err()
}

// share is how much of the files that match was reached.
type share struct{ reached, all int }

func (s share) percent() float64 { return 100 * float64(s.reached) / float64(s.all) }

func (p profile) share(matches func(folder string) bool) share {
	var s share
	for at, c := range p {
		file, _, _ := strings.Cut(string(at), ":")
		if !matches(path.Dir(file)) {
			continue
		}
		s.all += c.statements
		if c.reached {
			s.reached += c.statements
		}
	}
	return s
}

// report prints each package and each rule, the weakest package first, and says which rules are broken.
func (p profile) report(out io.Writer, module string, rules []rule) error {
	shares := map[string]share{}
	for at := range p {
		file, _, _ := strings.Cut(string(at), ":")
		folder := path.Dir(file)
		if _, ok := shares[folder]; !ok {
			shares[folder] = p.share(func(other string) bool { return other == folder })
		}
	}
	var lines []string
	for folder, s := range shares {
		lines = append(lines, fmt.Sprintf("%6.1f %%  %s", s.percent(), strings.TrimPrefix(folder, module)))
	}
	slices.Sort(lines)
	fmt.Fprintln(out, strings.Join(lines, "\n"))
	var broken error
	for _, r := range rules {
		s := p.share(func(folder string) bool { return r.covers(strings.TrimPrefix(folder, module)) })
		name := strings.Join(r.folders, ", ")
		switch {
		case s.all == 0:
			broken = errors.Join(broken, fmt.Errorf("no profile knows %s", name))
		case s.percent() < r.percent:
			broken = errors.Join(broken, fmt.Errorf("%s: %.1f %% of statements reached, %g %% asked for", name, s.percent(), r.percent))
		default:
			fmt.Fprintf(out, "coverage of %s: %.1f %% (at least %g)\n", name, s.percent(), r.percent)
		}
	}
	return broken
}

func (r rule) covers(folder string) bool {
	return slices.ContainsFunc(r.folders, func(f string) bool {
		return folder == strings.TrimSuffix(f, "/") || strings.HasSuffix(f, "/") && strings.HasPrefix(folder, f)
	})
}
