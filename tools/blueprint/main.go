// Command blueprint writes two references about this repository's own tree, out of its source and its OpenAPI document:
// what the blueprint asks an implementation to hand over, and the points of its two reviews with the tests that prove them.
//
//	gatehouse openapi --format json | blueprint -dir . blueprint > docs/reference/blueprint.md
//	blueprint -dir . review > docs/reference/review.md
//
// It fails where what it is told to show does not exist, so that neither can say what no longer holds.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	dir := flag.String("dir", ".", "top folder of the module")
	flag.Parse()
	if err := run(*dir, flag.Arg(0), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "blueprint:", err)
		os.Exit(1)
	}
}

func run(dir, what string, document io.Reader, out io.Writer) error {
	src, err := parse(dir)
	if err != nil {
		return err
	}
	var text string
	switch what {
	case "review":
		text, err = review(src)
	case "blueprint":
		var doc openapi
		if doc, err = readDocument(document); err == nil {
			text, err = blueprint(src, doc, time.Now().UTC())
		}
	default:
		err = errors.New("say blueprint or review")
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}
