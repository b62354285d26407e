package httpapi

import (
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

// limit counts the request and says on every answer what is left. It counts on the key that the credential gives alone, so
// that those who hold a genuine one do not suffer from others at their address, and otherwise on the client's address. A
// limiter that cannot tell refuses.
func (o *operation) limit(w *response, r *http.Request, credential string) error {
	if o.Limit == nil || o.rt.deps.Limiter == nil {
		return nil
	}
	checks := []ratelimit.Check{{Limit: o.Limit, Key: o.limitKey(w, r, credential)}}
	decisions, err := o.rt.deps.Limiter.Allow(r.Context(), checks...)
	if err != nil {
		return err
	}
	h := w.Header()
	h["Ratelimit-Policy"] = []string{ratelimit.PolicyHeader(checks...)}
	h["Ratelimit"] = []string{ratelimit.StateHeader(checks, decisions)}
	if len(decisions) != len(checks) || !ratelimit.Allowed(decisions) {
		return errs.ErrRateLimited.WithRetryAfter(ratelimit.RetryAfter(decisions))
	}
	return nil
}

func (o *operation) limitKey(w *response, r *http.Request, credential string) string {
	if o.LimitKey != nil && credential != "" {
		if key, ok := o.LimitKey(r.Context(), credential); ok {
			return key
		}
	}
	return ratelimit.KeyForAddress(w.request.addr)
}
