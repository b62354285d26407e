package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

//go:embed files
var embedded embed.FS

// files hold what all mails share.
var files, _ = fs.Sub(embedded, "files") // the folder is there: it is embedded

const (
	layoutName = "layout"
	layoutFile = layoutName + ".html"
	// maxFile is more than any mail should be.
	maxFile = 256 << 10
	// maxSubject bounds what data can make of a subject, in characters.
	maxSubject = 200
)

// file is the text of a template, or why there is none.
type file struct {
	name string // for people: with its folder, where it is a replacement
	text string
	err  error
}

// readFile reads a file of the folder of replacements, where it is there, or else our own. An empty folder is none.
func readFile(folder string, own fs.FS, name string) file {
	from, shown := own, name
	if folder != "" {
		if path := filepath.Join(folder, name); !missing(path) {
			from, shown = os.DirFS(folder), path
		}
	}
	f, err := from.Open(name)
	if err != nil {
		return file{name: shown, err: err}
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s is larger than %d KiB", shown, maxFile>>10)
	}
	return file{name: shown, text: strings.ReplaceAll(string(raw), "\r\n", "\n"), err: err}
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// source is what one mail in one language is made of.
type source struct {
	service, language  string
	layout, text, html file
}

// rendering is one mail in one language, ready to be filled.
type rendering struct {
	source

	subject, body *template.Template
	page          *htmltemplate.Template
}

// view is what the layout sees.
type view struct {
	Language, Subject string
	Data              any
}

var (
	firstLines = regexp.MustCompile(`^Subject: ([^\n]*\S)[ \t]*\n[ \t]*\n`)
	leftBlank  = regexp.MustCompile(`\n{3,}`)
)

func newRendering(s source) (*rendering, error) {
	if err := errors.Join(s.layout.err, s.text.err, s.html.err); err != nil {
		return nil, err
	}
	head := firstLines.FindStringSubmatch(s.text.text)
	if head == nil {
		return nil, fmt.Errorf("%s:1: must begin with a line Subject: …, and an empty one", s.text.name)
	}
	r := &rendering{source: s}
	functions := map[string]any{"service": func() string { return s.service }}
	parse := func(text string) (*template.Template, error) {
		return template.New(s.text.name).Option("missingkey=error").Funcs(functions).Parse(text)
	}
	var err error
	if r.subject, err = parse(head[1]); err != nil {
		return nil, err
	}
	// The two lines that were read stay as empty ones, so that errors name the right line.
	if r.body, err = parse("\n\n" + s.text.text[len(head[0]):]); err != nil {
		return nil, err
	}
	page := htmltemplate.New(s.layout.name).Option("missingkey=error").Funcs(functions)
	if r.page, err = page.Parse(s.layout.text); err != nil {
		return nil, err
	}
	content, err := page.New(s.html.name).Parse(s.html.text)
	if err != nil {
		return nil, err
	}
	if _, err = page.AddParseTree("content", content.Tree); err != nil {
		return nil, err
	}
	return r, nil
}

// render fills the mail with data.
func (r *rendering) render(data any) (subject, text, html string, err error) {
	var line, body, page bytes.Buffer
	if err := r.subject.Execute(&line, data); err != nil {
		return "", "", "", err
	}
	subject = oneLine(line.String())
	if err := r.body.Execute(&body, data); err != nil {
		return "", "", "", err
	}
	text = strings.Trim(leftBlank.ReplaceAllString(body.String(), "\n\n"), "\n") + "\n"
	if err := r.page.Execute(&page, view{Language: r.language, Subject: subject, Data: data}); err != nil {
		return "", "", "", err
	}
	if subject == "" || text == "\n" {
		return "", "", "", fmt.Errorf("%s: subject or text comes out empty", r.text.name)
	}
	return subject, text, page.String(), nil
}

// oneLine makes spaces of what could end a header's line, and bounds its length.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || isControl(r) }), " ")
	if cut := []rune(s); len(cut) > maxSubject {
		s = string(cut[:maxSubject]) + "…"
	}
	return s
}
