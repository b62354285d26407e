package pages

import (
	"bytes"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

const (
	english = "en"
	german  = "de"
)

// Form is what a page with a form shows. All texts are plain and in Language. Without a Button the page is a message.
type Form struct {
	Language    string // a BCP 47 tag, such as "de"
	Path        string // where the form posts to, below the base path
	Title, Lead string
	Alert       string // what stands in the way of the last try
	Hidden      []FormValue
	Inputs      []FormInput
	Button      string
}

// FormValue is what a form sends without showing it.
type FormValue struct{ Name, Value string }

// FormInput is what people fill in. A page never shows again what was filled in before.
type FormInput struct {
	Name, Label, Hint  string
	Type, Autocomplete string   // as in HTML: "password", "new-password"
	Faults             []string // what is wrong with what was filled in
}

// DescribedBy lists the elements that say more about the input.
func (i FormInput) DescribedBy() string {
	var ids []string
	if i.Hint != "" {
		ids = append(ids, i.Name+"-hint")
	}
	if len(i.Faults) > 0 {
		ids = append(ids, i.Name+"-faults")
	}
	return strings.Join(ids, " ")
}

// form is the one template that is filled for each request.
type form struct {
	template *template.Template
	view     view
}

func (b *builder) form() (form, error) {
	t, err := template.ParseFS(files, "files/layout.html", "files/form.html")
	if err != nil {
		return form{}, err
	}
	v, err := b.view(b.options.ServiceName, "pages.css")
	return form{t, v}, err
}

// ServeForm answers with a form, or with what came of it. Its page is for one pair of eyes: it is never kept, and the
// caller's headers say so.
func (p *Pages) ServeForm(w http.ResponseWriter, status int, f Form) error {
	v := p.form.view
	v.Language, v.Form = f.Language, f
	v.Title = f.Title + " · " + v.Service
	if f.Alert != "" {
		v.Title = texts(f.Language).fault + v.Title // the first thing that a screen reader says
	}
	var out bytes.Buffer
	if err := p.form.template.ExecuteTemplate(&out, "form.html", v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", html)
	h.Set("Content-Language", f.Language)
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	h.Set("Content-Security-Policy", plainPolicy)
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a client that went away is not our fault to handle
	return nil
}
