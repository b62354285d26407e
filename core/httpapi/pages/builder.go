package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"path"
	"strings"

	"github.com/gatehouse/gatehouse/third_party/scalar"
)

//go:embed files
var files embed.FS

const (
	// plainPolicy is for pages without scripts.
	plainPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	// docsPolicy lets the reference run: scripts and requests of this origin alone, no eval, and the style elements that the
	// reference adds by itself.
	docsPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	// forAYear is for content whose name changes with it.
	forAYear = "public, max-age=31536000, immutable"
	// askAgain is for pages: a browser keeps them but asks each time whether they still hold, so that they never name an
	// asset of an older release.
	askAgain = "public, no-cache"
	html     = "text/html; charset=utf-8"
)

// builder makes the pages and gathers the assets they name.
type builder struct {
	options Options
	assets  map[string]*file
	parsed  map[string]*template.Template // by file
}

// view is what the templates see.
type view struct {
	Language             string // of the page's text
	Title, Service, Base string
	Icon, Style          string // paths of assets
	Init, Reference      string // paths of assets, on the documentation alone
	Scheme               string
	Error                ErrorDoc
	Errors               []ErrorDoc
	Example              string
	Form                 Form
}

func (b *builder) home() (*file, error) {
	v, err := b.view(b.options.ServiceName, "pages.css")
	if err != nil {
		return nil, err
	}
	return b.render("home.html", v, plainPolicy)
}

func (b *builder) errorPage(e ErrorDoc) (*file, error) {
	v, err := b.view(e.Title+" · "+b.options.ServiceName, "pages.css")
	if err != nil {
		return nil, err
	}
	v.Error, v.Errors = e, b.options.Errors
	if v.Example, err = e.example(); err != nil {
		return nil, err
	}
	return b.render("error.html", v, plainPolicy)
}

func (b *builder) docs() (*file, error) {
	v, err := b.view(b.options.ServiceName+" API", "docs.css")
	if err != nil {
		return nil, err
	}
	v.Scheme = b.options.SecurityScheme
	if v.Init, err = b.asset("init.js", "text/javascript; charset=utf-8"); err != nil {
		return nil, err
	}
	v.Reference = b.add("reference.js", &file{
		body: scalar.ScriptGzip, gzipped: true, unpacked: scalar.ScriptSize, digest: scalar.ScriptSHA256,
		mediaType: "text/javascript; charset=utf-8",
	})
	return b.render("docs.html", v, docsPolicy)
}

func (b *builder) view(title, style string) (view, error) {
	v := view{Language: english, Title: title, Service: b.options.ServiceName, Base: b.options.BasePath}
	var err error
	if v.Icon, err = b.asset("favicon.svg", "image/svg+xml"); err != nil {
		return view{}, err
	}
	v.Style, err = b.asset(style, "text/css; charset=utf-8")
	return v, err
}

// asset adds an embedded file and returns its path.
func (b *builder) asset(name, mediaType string) (string, error) {
	content, err := files.ReadFile("files/" + name)
	if err != nil {
		return "", err
	}
	return b.add(name, &file{body: string(content), digest: digest(content), mediaType: mediaType}), nil
}

// add keeps an asset under a name that holds part of its digest.
func (b *builder) add(name string, f *file) string {
	f.policy, f.cache = plainPolicy, forAYear
	extension := path.Ext(name)
	name = strings.TrimSuffix(name, extension) + "." + f.digest[:12] + extension
	b.assets[name] = f
	return b.options.BasePath + "/docs/assets/" + name
}

// render makes a page from a template, which is parsed once for all that are made from it.
func (b *builder) render(name string, v view, policy string) (*file, error) {
	t, ok := b.parsed[name]
	if !ok {
		var err error
		if t, err = template.ParseFS(files, "files/layout.html", "files/"+name); err != nil {
			return nil, err
		}
		b.parsed[name] = t
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, name, v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &file{body: out.String(), digest: digest(out.Bytes()), mediaType: html, policy: policy, cache: askAgain}, nil
}

func digest(content []byte) string {
	d := sha256.Sum256(content)
	return hex.EncodeToString(d[:])
}
