package httpapi

import (
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi/pages"
)

// advice is what the page about an error says beyond the error itself.
type advice struct{ meaning, advice pages.Prose }

var known = map[string]advice{
	"INTERNAL_ERROR":         {"Something went wrong on our side. The answer says nothing of the inside; the log does, under the same `request_id`.", "Try again later. If it stays, report the `request_id`."},
	"VALIDATION_ERROR":       {"Something in the request is missing, malformed or not allowed, and nothing was done. Each entry of `errors` is one fault. It says where: `pointer` is a member of the JSON body (`#/password` is the member `password`), `parameter` a part of the path or of the query, `header` a header. And it says what: `code` for programs, `message` for people.", "Correct every place that `errors` names, and send the request again. Where there are no `errors`, the `reason` says what is wrong."},
	"AUTHENTICATION_ERROR":   {"The request has no access token, or one that is malformed, expired, revoked or not ours. `WWW-Authenticate` says which of the two (RFC 6750): with a token, it has an `error`.", "Get a new access token and send it as `Authorization: Bearer …`."},
	"AUTHORIZATION_ERROR":    {"The access token is good, and its owner may not do this.", "Ask an administrator for the permission that the operation's documentation names."},
	"NOT_FOUND":              {"There is nothing at this path, or nothing that you may see. Paths are exact: letter case and trailing slashes count.", "Check the path and the identifier in it."},
	"METHOD_NOT_ALLOWED":     {"The path exists, and not for this method.", "Use one of the methods that the header `Allow` lists."},
	"CONFLICT":               {"The current state does not allow the change; `reason` says why.", "Look at the `reason`, change the request or the state, and try again."},
	"PRECONDITION_FAILED":    {"`If-Match` names a version that is no longer the current one: somebody changed the resource meanwhile.", "Read the resource again, apply your change to it, and send its new `ETag` as `If-Match`."},
	"PAYLOAD_TOO_LARGE":      {"The body is larger than the operation takes. What is left of it was not read.", "Send a smaller body."},
	"UNSUPPORTED_MEDIA_TYPE": {"The body is not of the media type that the operation takes, not UTF-8, or compressed.", "Send `Content-Type: application/json` and an uncompressed body; where the operation takes a file, the file's own type."},
	"RATE_LIMITED":           {"Too many requests. The header `RateLimit-Policy` names the limits, `RateLimit` what is left of them.", "Wait for the seconds that the header `Retry-After` names."},
	"SERVICE_UNAVAILABLE":    {"The service has more work than it can do soon, or a store that it needs is away.", "Wait for the seconds that the header `Retry-After` names, and try again."},
}

// errorDocs describes every error that core answers with or that a mounted operation names.
func (rt *Router) errorDocs() []pages.ErrorDoc {
	all := []*errs.Error{
		errs.ErrInternal, errExampleInvalid, errs.ErrAuthentication, errs.ErrAuthorization, errs.ErrNotFound, errs.ErrMethodNotAllowed,
		errs.ErrConflict, errs.ErrPreconditionFailed, errs.ErrPayloadTooLarge, errs.ErrUnsupportedMediaType, errs.ErrRateLimited, errs.ErrUnavailable,
	}
	for _, op := range rt.operations {
		all = append(all, op.Errors...)
	}
	var docs []pages.ErrorDoc
	for _, e := range all {
		i := slices.IndexFunc(docs, func(d pages.ErrorDoc) bool { return d.Code == e.Code() })
		if i < 0 {
			i = len(docs)
			docs = append(docs, rt.errorDoc(e))
		}
		reason := pages.Reason{Name: e.Reason(), Meaning: sentence(e.Detail())}
		if e.Reason() == "" || slices.Contains(docs[i].Reasons, reason) {
			continue
		}
		if len(docs[i].Reasons) == 0 && e.Code() != errExampleInvalid.Code() {
			docs[i].Example = rt.exampleAnswer(e)
		}
		docs[i].Reasons = append(docs[i].Reasons, reason)
	}
	return docs
}

// errExampleInvalid is the example of what most often is wrong.
var errExampleInvalid = errs.From(errs.Invalid([]errs.Field{
	{Pointer: "#/full_name", Code: errs.Required, Message: isRequired},
	{Pointer: "#/password", Code: errs.TooShort, Message: "must be at least 8 characters"},
}))

func (rt *Router) errorDoc(e *errs.Error) pages.ErrorDoc {
	a, ok := known[e.Code()]
	if !ok {
		a = advice{meaning: pages.Prose(sentence(e.Detail())), advice: "Change the request before you send it again."}
	}
	return pages.ErrorDoc{
		Type: strings.TrimPrefix(TypePath(e.Code()), "/errors/"), Code: e.Code(), Title: e.Title(), Status: e.Status(),
		Meaning: a.meaning, Advice: a.advice, Example: rt.exampleAnswer(e),
	}
}

// exampleAnswer is an error as some request gets it.
func (rt *Router) exampleAnswer(e *errs.Error) Problem {
	p := rt.problem(e)
	p.RequestID = exampleID
	return p
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
