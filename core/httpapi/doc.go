// Package httpapi is the HTTP border: typed operations in, problem details (RFC 9457) out. Around every operation it does
// once what none may forget, in the contract's order: 404 and 405, the address limit, authentication, permission, media
// type, size, and all faults of the input at once. huma gives it the OpenAPI 3.1 document and schema validation and is
// seen nowhere else.
//
// It never holds rules of a module, and never answers with the text of an error.
package httpapi
