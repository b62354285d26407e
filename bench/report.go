package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// circumstances are what a figure means nothing without.
type circumstances struct {
	At          time.Time `json:"at"`
	Go          string    `json:"go"`
	System      string    `json:"system"`
	Cores       int       `json:"cores"`
	Users       int       `json:"users"`
	LoadAverage string    `json:"load_average"` // at the end, our own load in it
}

var errNothing = errors.New("nothing was measured: -rows matches no row")

// report prints a table and writes it, and the figures behind it as JSON, to the results.
func (s *stage) report(name string, figures any, table [][]string) error {
	if len(table) < 2 {
		return errNothing
	}
	c := circumstances{
		At: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(),
		Users: s.users, LoadAverage: loadAverage(),
	}
	text := fmt.Sprintf("%s, %s, %s, %d cores, %d users\n\n%s", c.At.Format(time.RFC3339), c.Go, c.System, c.Cores, c.Users, markdown(table))
	fmt.Println(text)
	raw, err := json.MarshalIndent(map[string]any{"circumstances": c, "figures": figures}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	base := filepath.Join(s.out, c.At.Format("20060102-150405-")+name)
	return errors.Join(os.WriteFile(base+".json", raw, 0o644), os.WriteFile(base+".md", []byte(text+"\n"), 0o644))
}

// markdown writes a table whose columns are as wide as their widest cell, without those that are empty throughout.
func markdown(table [][]string) string {
	width := make([]int, len(table[0]))
	for _, row := range table[1:] {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for i, head := range table[0] {
		if width[i] > 0 {
			width[i] = max(width[i], utf8.RuneCountInString(head), 3)
		}
	}
	var b strings.Builder
	for n, row := range table {
		for i, cell := range row {
			if width[i] > 0 {
				b.WriteString("| " + cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)) + " ")
			}
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for _, w := range width {
			if w > 0 {
				b.WriteString("| " + strings.Repeat("-", w) + " ")
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}
