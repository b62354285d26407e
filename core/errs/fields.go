package errs

import "fmt"

// Field says that one place of the input is wrong. Exactly one of Pointer, Parameter and Header is set.
type Field struct {
	Pointer   string `json:"pointer,omitempty" doc:"JSON Pointer (RFC 6901) as a URI fragment, into the body" example:"#/password"`
	Parameter string `json:"parameter,omitempty" doc:"name of the path or query parameter"`
	Header    string `json:"header,omitempty" doc:"name of the header"`
	Code      Fault  `json:"code" doc:"what is wrong, for programs" enum:"required,wrong_type,too_short,too_long,out_of_range,invalid_format,unknown_field,duplicate,not_allowed,missing_upper,missing_lower,missing_digit,common_password,contains_context"`
	Message   string `json:"message" doc:"what is wrong, for people" example:"must be at least 8 characters"`
}

// Fault is what is wrong with one place of the input.
type Fault string

// The faults of the API contract.
const (
	Required        Fault = "required"
	WrongType       Fault = "wrong_type"
	TooShort        Fault = "too_short"
	TooLong         Fault = "too_long"
	OutOfRange      Fault = "out_of_range"
	InvalidFormat   Fault = "invalid_format"
	UnknownField    Fault = "unknown_field"
	Duplicate       Fault = "duplicate"
	NotAllowed      Fault = "not_allowed"
	MissingUpper    Fault = "missing_upper"
	MissingLower    Fault = "missing_lower"
	MissingDigit    Fault = "missing_digit"
	CommonPassword  Fault = "common_password"
	ContainsContext Fault = "contains_context"
)

// AllFaults lists every Fault, for the document and its tests.
var AllFaults = []Fault{Required, WrongType, TooShort, TooLong, OutOfRange, InvalidFormat, UnknownField, Duplicate, NotAllowed,
	MissingUpper, MissingLower, MissingDigit, CommonPassword, ContainsContext}

// Invalid is ErrValidation with these fields, or nil where there are none. Its detail counts the places, of which one may
// have several faults.
func Invalid(fields []Field) error {
	if len(fields) == 0 {
		return nil
	}
	type place struct{ pointer, parameter, header string }
	places := map[place]bool{}
	for _, f := range fields {
		places[place{f.Pointer, f.Parameter, f.Header}] = true
	}
	detail := "1 field is invalid"
	if len(places) > 1 {
		detail = fmt.Sprintf("%d fields are invalid", len(places))
	}
	return ErrValidation.WithDetail(detail).WithFields(fields...)
}
