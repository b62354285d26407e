// Package pages serves what people open in a browser: the home page, the API documentation with everything it needs, a page
// for each kind of error, and the forms that mails link to. All but the forms are made when the service starts; everything
// comes from the binary alone and asks nothing of any other host. This package knows no operation and no error: the OpenAPI
// document, the list of errors and what a form is for come from the caller.
package pages

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

// securityScheme is the bearer token's name in the OpenAPI document when the caller gives none.
const securityScheme = "bearerAuth"

// Options say what the pages are about.
type Options struct {
	BasePath       string     // where the service is mounted: empty, or like "/api"; no slash at the end
	ServiceName    string     // plain text, on every page
	SecurityScheme string     // the scheme in the OpenAPI document whose token the reference asks for; empty is "bearerAuth"
	Errors         []ErrorDoc // one page each
}

// Pages are the finished pages and their assets. They are immutable.
type Pages struct {
	home, docs *file
	errors     map[string]*file // by type
	assets     map[string]*file // by name, which holds a hash of the content
	form       form
}

// Route is a page, or a family of pages, to mount below the base path.
type Route struct {
	Method string // always GET; Serve answers HEAD as well
	Path   string // as in net/http patterns: exactly "/", never a subtree; "{name}" is one segment
	// Serve answers and returns true, or writes nothing and returns false where there is no such page. The value of a
	// wildcard comes from the request's PathValue.
	Serve func(w http.ResponseWriter, r *http.Request) bool
}

// New makes the pages. It fails for a base path that is not one, a missing name and an error without or with a taken type.
func New(o Options) (*Pages, error) {
	if err := check(o); err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	if o.SecurityScheme == "" {
		o.SecurityScheme = securityScheme
	}
	b := builder{options: o, assets: map[string]*file{}, parsed: map[string]*template.Template{}}
	p := &Pages{assets: b.assets, errors: make(map[string]*file, len(o.Errors))}
	var err error
	if p.docs, err = b.docs(); err != nil {
		return nil, fmt.Errorf("pages: documentation: %w", err)
	}
	if p.home, err = b.home(); err != nil {
		return nil, fmt.Errorf("pages: home: %w", err)
	}
	if p.form, err = b.form(); err != nil {
		return nil, fmt.Errorf("pages: form: %w", err)
	}
	for _, e := range o.Errors {
		if p.errors[e.Type], err = b.errorPage(e); err != nil {
			return nil, fmt.Errorf("pages: error %s: %w", e.Type, err)
		}
	}
	return p, nil
}

// Routes lists what to mount, in a fixed order.
func (p *Pages) Routes() []Route {
	return []Route{
		{Method: http.MethodGet, Path: "/", Serve: one(p.home)},
		{Method: http.MethodGet, Path: "/docs", Serve: one(p.docs)},
		{Method: http.MethodGet, Path: "/docs/assets/{name}", Serve: named(p.assets, "name")},
		{Method: http.MethodGet, Path: "/errors/{type}", Serve: named(p.errors, "type")},
	}
}

func one(f *file) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		f.serve(w, r)
		return true
	}
}

func named(files map[string]*file, wildcard string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		f, ok := files[r.PathValue(wildcard)]
		if ok {
			f.serve(w, r)
		}
		return ok
	}
}

func check(o Options) error {
	if o.BasePath != "" && (!strings.HasPrefix(o.BasePath, "/") || strings.HasPrefix(o.BasePath, "//") || strings.HasSuffix(o.BasePath, "/")) {
		return fmt.Errorf("base path %q must be empty, or start with one slash and end without", o.BasePath)
	}
	if o.ServiceName == "" {
		return fmt.Errorf("the service has no name")
	}
	taken := make(map[string]bool, len(o.Errors))
	for _, e := range o.Errors {
		if e.Type == "" || taken[e.Type] {
			return fmt.Errorf("error %s: the type %q is empty or taken", e.Code, e.Type)
		}
		taken[e.Type] = true
	}
	return nil
}
