package pages

import "encoding/json"

// ErrorDoc is what people read about one kind of error. All texts are plain.
type ErrorDoc struct {
	Type    string // kebab-case, the last segment of the problem's type: "validation-error"
	Code    string // "VALIDATION_ERROR"
	Title   string // the code in words
	Status  int    // HTTP status
	Meaning string // what has happened
	Advice  string // what a client should do
	Reasons []Reason
}

// Reason is a value of the problem's reason member and what it says.
type Reason struct{ Name, Meaning string }

// example is a problem as a client of a service mounted at base receives it, without the parts that depend on the request.
func (e ErrorDoc) example(base string) (string, error) {
	problem := struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Code      string `json:"code"`
		Reason    string `json:"reason,omitempty"`
		RequestID string `json:"request_id"`
	}{Type: base + "/errors/" + e.Type, Title: e.Title, Status: e.Status, Code: e.Code, RequestID: "019…"}
	if len(e.Reasons) > 0 {
		problem.Reason = e.Reasons[0].Name
	}
	text, err := json.MarshalIndent(problem, "", "  ")
	return string(text), err
}
