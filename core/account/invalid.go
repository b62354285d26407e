package account

import "github.com/gatehouse/gatehouse/core/errs"

// InvalidError says what is wrong with an e-mail address or a name. It never holds the input.
type InvalidError struct {
	Fault   errs.Fault
	Message string // for people
}

// Error implements error.
func (e *InvalidError) Error() string { return e.Message }

// Field places the fault at a JSON Pointer, such as "#/email", for an answer.
func (e *InvalidError) Field(pointer string) errs.Field {
	return errs.Field{Pointer: pointer, Code: e.Fault, Message: e.Message}
}
