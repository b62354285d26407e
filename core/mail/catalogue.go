package mail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// Template is a mail that a module sends, in every language: the files <name>.<language>.txt, whose first line is
// "Subject: …" and is followed by an empty one, and <name>.<language>.html, which stands inside the layout of all mails.
// Both are Go templates (text/template and html/template) that see the data given to Render, and may call service for the
// name that mail is signed with.
type Template struct {
	Name   string // of a-z, 0-9 and _, such as reset_password
	Files  fs.FS
	Sample any // data as Render is given, for previews, and to find a template that does not fit it
}

// Catalogue holds every mail that the modules of an app send. They declare theirs while they are built; Load reads the
// files, and nothing changes afterwards, so that mails are rendered without locks.
type Catalogue struct {
	templates []Template
	loaded    map[string]*rendering // by name and language, as in a file's name
}

// NewCatalogue makes an empty one.
func NewCatalogue() *Catalogue { return &Catalogue{} }

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// Declare adds a template. It panics where the name is malformed or taken, or a file is missing: that is a mistake in the
// program, found by building it once.
func (c *Catalogue) Declare(t Template) {
	if !validName.MatchString(t.Name) || t.Name == layoutName {
		panic(fmt.Sprintf("mail: %q is no name for a template", t.Name))
	}
	if slices.Contains(c.Names(), t.Name) {
		panic(fmt.Sprintf("mail: template %q is declared twice", t.Name))
	}
	for _, file := range t.fileNames() {
		if _, err := fs.Stat(t.Files, file); err != nil {
			panic(fmt.Sprintf("mail: template %q lacks %s", t.Name, file))
		}
	}
	c.templates = append(c.templates, t)
}

// Names lists the templates in the order of declaration.
func (c *Catalogue) Names() []string {
	names := make([]string, 0, len(c.templates))
	for _, t := range c.templates {
		names = append(names, t.Name)
	}
	return names
}

// fileNames lists the files of a template.
func (t Template) fileNames() []string {
	names := make([]string, 0, 2*len(Languages))
	for _, language := range Languages {
		names = append(names, t.Name+"."+language+".txt", t.Name+"."+language+".html")
	}
	return names
}

// Load reads every template, those in the settings' folder before ours, and tries each with its sample. The error names
// the file and line of everything that is wrong.
func (c *Catalogue) Load(s Settings) error {
	folder := s.Templates
	faults := c.strangers(folder)
	layout := readFile(folder, files, layoutFile)
	loaded := map[string]*rendering{}
	for _, t := range c.templates {
		for _, language := range Languages {
			key := t.Name + "." + language
			r, err := newRendering(source{
				service: s.Service(), language: language, layout: layout,
				text: readFile(folder, t.Files, key+".txt"), html: readFile(folder, t.Files, key+".html"),
			})
			if err == nil {
				_, _, _, err = r.render(t.Sample)
			}
			if err != nil {
				faults = append(faults, err)
				continue
			}
			loaded[key] = r
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("mail.templates: %w", errors.Join(faults...))
	}
	c.loaded = loaded
	return nil
}

// Render makes a mail of a declared template. A language that is none of Languages is the first of them. No control
// character of the data reaches the subject.
func (c *Catalogue) Render(name, language string, data any) (subject, text, html string, err error) {
	if !slices.Contains(Languages, language) {
		language = Languages[0]
	}
	r := c.loaded[name+"."+language]
	if r == nil {
		return "", "", "", fmt.Errorf("mail: there is no template %q", name)
	}
	return r.render(data)
}

// Sample makes the mail of a declared template that its sample gives.
func (c *Catalogue) Sample(name, language string) (subject, text, html string, err error) {
	i := slices.Index(c.Names(), name)
	if i < 0 {
		return "", "", "", fmt.Errorf("mail: there is no template %q", name)
	}
	return c.Render(name, language, c.templates[i].Sample)
}

// strangers gives a fault for each file of the folder that would replace nothing: a typing error must not pass for a
// replacement.
func (c *Catalogue) strangers(folder string) []error {
	if folder == "" {
		return nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return []error{err}
	}
	known := []string{layoutFile}
	for _, t := range c.templates {
		known = append(known, t.fileNames()...)
	}
	var faults []error
	for _, e := range entries {
		name := e.Name()
		if ext := filepath.Ext(name); (ext == ".txt" || ext == ".html") && !slices.Contains(known, name) {
			faults = append(faults, fmt.Errorf("%s replaces nothing: no mail has a file of that name (gatehouse mail preview lists the mails)", filepath.Join(folder, name)))
		}
	}
	return faults
}
