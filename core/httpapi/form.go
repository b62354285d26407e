package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi/pages"
)

// Form is a page that a mail links to: GET shows a form and changes nothing, however often a mail scanner opens it; POST to
// the same path does what an operation does, on that operation's limit and through its checks. It needs no script, is never
// kept, and says nothing about the token that it carries from the link to the operation.
type Form struct {
	Path      string
	Operation string // ID of a public operation mounted before, whose body has the members token and Inputs
	Inputs    []FormInput
	// Genuine says whether a link's token can be one of ours, by its looks alone: the page asks no store.
	Genuine func(token string) bool
	// Text gives the page's words in the best language for a client. It is called for each request, when settings are read.
	Text func(acceptLanguage string) FormText
}

// FormInput is what people fill in.
type FormInput struct {
	Name               string // of the member in the operation's body
	Type, Autocomplete string // as in HTML
}

// FormText is all that a form says in one language.
type FormText struct {
	Language            string // a BCP 47 tag
	Title, Lead, Button string
	Labels, Hints       map[string]string     // by input
	Faults              map[errs.Fault]string // what is wrong with an input
	Done                FormMessage           // after success
	Refused             FormMessage           // where the link is no good
}

// FormMessage is what a page says in place of its form.
type FormMessage struct{ Title, Text string }

// tokenMember is the member of every form's operation that takes the link's token.
const tokenMember = "token"

// HandleForm mounts a page. It panics on a form that nobody could send, as all mounting does on a mistake in the program.
func HandleForm(rt *Router, f Form) {
	i := slices.IndexFunc(rt.operations, func(o *operation) bool { return o.ID == f.Operation })
	if i < 0 || !rt.operations[i].Access.IsPublic() || rt.operations[i].Closed != nil || rt.operations[i].perform == nil {
		panic(fmt.Sprintf("the form %s is for %q, which is no operation with a body that is always public", f.Path, f.Operation))
	}
	p := &formPage{Form: f, operation: rt.operations[i], rt: rt}
	rt.page("GET "+f.Path, p.show)
	rt.page("POST "+f.Path, p.submit)
}

// formPage is a mounted Form.
type formPage struct {
	Form
	operation *operation
	rt        *Router
}

// show answers with the empty form. Whatever else the query holds, mail programs have added.
func (p *formPage) show(w http.ResponseWriter, r *http.Request) bool {
	token := r.URL.Query().Get(tokenMember)
	text := p.Text(r.Header.Get("Accept-Language"))
	if !p.Genuine(token) {
		return p.message(w, http.StatusBadRequest, text, text.Refused)
	}
	return p.answer(w, http.StatusOK, p.form(text, token, nil))
}

// submit does the operation's work and says what came of it.
func (p *formPage) submit(w http.ResponseWriter, r *http.Request) bool {
	text := p.Text(r.Header.Get("Accept-Language"))
	values, err := p.receive(w.(*response), r)
	token := values[tokenMember]
	switch {
	case err != nil: // there is no form to give back: its token was not read
		return p.failed(w, r, text, pages.Form{}, err)
	case !p.Genuine(token):
		return p.message(w, http.StatusBadRequest, text, text.Refused)
	}
	body, err := json.Marshal(values)
	if err == nil {
		err = p.operation.perform(r.Context(), body)
	}
	if err != nil {
		return p.failed(w, r, text, p.form(text, token, errs.From(err).Fields()), err)
	}
	return p.message(w, http.StatusOK, text, text.Done)
}

// failed says why nothing happened: beside the inputs that are faulty, above the form where another try may help, and in
// place of it where the link is no good.
func (p *formPage) failed(w http.ResponseWriter, r *http.Request, text FormText, form pages.Form, err error) bool {
	e := p.rt.visible(r, err)
	p.rt.logFailure(w.(*response), r, e)
	faulty := slices.ContainsFunc(form.Inputs, func(i pages.FormInput) bool { return len(i.Faults) > 0 })
	passing := e.Status() == http.StatusTooManyRequests || e.Status() >= http.StatusInternalServerError
	if form.Button != "" && !faulty && !passing {
		return p.message(w, e.Status(), text, text.Refused)
	}
	if e.Status() == http.StatusTooManyRequests || e.Status() == http.StatusServiceUnavailable {
		w.Header()["Retry-After"] = []string{retryAfter(e.RetryAfter())}
	}
	form.Language, form.Title = text.Language, text.Title
	form.Alert = pages.Alert(text.Language, e.Status(), e.RetryAfter(), faulty)
	return p.answer(w, e.Status(), form)
}

// receive counts the request on the operation's limit and reads the form, strictly: what the page does not send, nobody
// sends by mistake. An input that was left empty is one that is not there.
func (p *formPage) receive(w *response, r *http.Request) (map[string]string, error) {
	if err := p.operation.limit(w, r, ""); err != nil {
		return nil, p.operation.refused(r, err)
	}
	plan := bodyPlan{types: []string{"application/x-www-form-urlencoded"}, limit: p.operation.body.limit}
	raw, err := plan.receive(w, r)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for pair := range strings.SplitSeq(string(raw), "&") {
		name, value, _ := strings.Cut(pair, "=")
		text, err := url.QueryUnescape(value)
		_, twice := values[name]
		if err != nil || twice || !utf8.ValidString(text) || name != tokenMember && !p.asks(name) {
			return nil, errs.ErrValidation
		}
		values[name] = text
	}
	maps.DeleteFunc(values, func(_, text string) bool { return text == "" })
	return values, nil
}

func (p *formPage) asks(name string) bool {
	return slices.ContainsFunc(p.Inputs, func(i FormInput) bool { return i.Name == name })
}

func (p *formPage) form(text FormText, token string, faults []errs.Field) pages.Form {
	form := pages.Form{
		Language: text.Language, Path: p.Path, Title: text.Title, Lead: text.Lead, Button: text.Button,
		Hidden: []pages.FormValue{{Name: tokenMember, Value: token}},
	}
	for _, i := range p.Inputs {
		input := pages.FormInput{Name: i.Name, Label: text.Labels[i.Name], Hint: text.Hints[i.Name], Type: i.Type, Autocomplete: i.Autocomplete}
		for _, f := range faults {
			if f.Pointer != "#/"+i.Name {
				continue
			}
			said := text.Faults[f.Code]
			if said == "" {
				said = f.Message
			}
			input.Faults = append(input.Faults, said)
		}
		form.Inputs = append(form.Inputs, input)
	}
	return form
}

func (p *formPage) message(w http.ResponseWriter, status int, text FormText, m FormMessage) bool {
	return p.answer(w, status, pages.Form{Language: text.Language, Title: m.Title, Lead: m.Text})
}

func (p *formPage) answer(w http.ResponseWriter, status int, form pages.Form) bool {
	if err := p.rt.site.ServeForm(w, status, form); err != nil {
		panic(err) // the template is ours, and a test fills all of it
	}
	return true
}
