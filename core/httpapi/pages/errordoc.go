package pages

import (
	"encoding/json"
	"strings"
)

// ErrorDoc is what people read about one kind of error. All texts but Prose are plain.
type ErrorDoc struct {
	Type    string // kebab-case, the last segment of the problem's type: "validation-error"
	Code    string // "VALIDATION_ERROR"
	Title   string // the code in words
	Status  int    // HTTP status
	Meaning Prose  // what has happened
	Advice  Prose  // what a client should do
	Reasons []Reason
	Example any // an answer, which is shown as JSON
}

// Reason is a value of the problem's reason member and what it says.
type Reason struct{ Name, Meaning string }

// Prose is a text in which `backquotes` stand around what is code.
type Prose string

// Span is a part of a Prose.
type Span struct {
	Text string
	Code bool
}

// Spans takes the text apart. It is for the templates.
func (p Prose) Spans() []Span {
	parts := strings.Split(string(p), "`")
	spans := make([]Span, 0, len(parts))
	for i, text := range parts {
		if text != "" {
			spans = append(spans, Span{Text: text, Code: i%2 == 1})
		}
	}
	return spans
}

func (e ErrorDoc) example() (string, error) {
	text, err := json.MarshalIndent(e.Example, "", "  ")
	return string(text), err
}
