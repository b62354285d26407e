package httpapi

import (
	"context"
	"net/http"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// Credentialed is the input of a public operation with a LimitKey: it says what in it the request is counted by. It gives
// "" where the body gave none.
type Credentialed interface {
	Credential() string
}

// limitsLate says that the request counts once its body has been read, since its credential is in it.
func (o *operation) limitsLate() bool { return o.LimitKey != nil && o.Access.IsPublic() }

// sayPolicy says on the answer how much is allowed, whoever asks.
func (o *operation) sayPolicy(w *response, l *ratelimit.Limit) {
	if l != nil && o.rt.deps.Limiter != nil {
		w.Header()["Ratelimit-Policy"] = []string{ratelimit.PolicyHeader(ratelimit.Check{Limit: l})}
	}
}

// limit counts the request and says on every answer what is left. It counts on the key that the credential gives alone, so
// that those who hold a genuine one do not suffer from others at their address, and otherwise on the client's address. A
// limiter that cannot tell refuses.
func (o *operation) limit(w *response, r *http.Request, credential string) error {
	if o.Limit == nil || o.rt.deps.Limiter == nil {
		return nil
	}
	o.sayPolicy(w, o.Limit)
	return refusal(say(w, r, o.rt.deps.Limiter.Allow, ratelimit.Check{Limit: o.Limit, Key: o.limitKey(w, r, credential)}))
}

// tellAccount says what is left to the caller, and counts nothing: whatever is wrong with the input comes first.
func (o *operation) tellAccount(w *response, r *http.Request) error {
	if o.AccountLimit == nil || o.rt.deps.Limiter == nil {
		return nil
	}
	_, err := say(w, r, o.rt.deps.Limiter.Peek, o.accountCheck(w))
	return err
}

// limitAccount counts on the caller's account.
func (o *operation) limitAccount(w *response, r *http.Request) error {
	if o.rt.deps.Limiter == nil {
		return nil
	}
	return refusal(say(w, r, o.rt.deps.Limiter.Allow, o.accountCheck(w)))
}

func (o *operation) accountCheck(w *response) ratelimit.Check {
	return ratelimit.Check{Limit: o.AccountLimit, Key: w.request.principal.Account.String()}
}

// say asks the limiter, and puts what it says on the answer.
func say(w *response, r *http.Request, ask func(context.Context, ...ratelimit.Check) ([]ratelimit.Decision, error), check ratelimit.Check) ([]ratelimit.Decision, error) {
	checks := []ratelimit.Check{check}
	decisions, err := ask(r.Context(), checks...)
	if err != nil {
		return nil, err
	}
	w.Header()["Ratelimit"] = []string{ratelimit.StateHeader(checks, decisions)}
	return decisions, nil
}

// refusal is errs.ErrRateLimited where the limiter did not count.
func refusal(decisions []ratelimit.Decision, err error) error {
	if err == nil && (len(decisions) != 1 || !ratelimit.Allowed(decisions)) {
		err = errs.ErrRateLimited.WithRetryAfter(ratelimit.RetryAfter(decisions))
	}
	return err
}

func (o *operation) limitKey(w *response, r *http.Request, credential string) string {
	if o.LimitKey != nil && credential != "" {
		if key, ok := o.LimitKey(r.Context(), credential); ok {
			return key
		}
	}
	return ratelimit.KeyForAddress(w.request.addr)
}
