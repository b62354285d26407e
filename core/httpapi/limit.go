package httpapi

import (
	"net/http"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// limitAddress counts the request on its client's address and says on every answer what is left. A limiter that cannot
// tell refuses.
func (o *operation) limitAddress(w *response, r *http.Request) error {
	if o.Limit == nil || o.rt.deps.Limiter == nil {
		return nil
	}
	checks := []ratelimit.Check{{Limit: o.Limit, Key: ratelimit.KeyForAddress(w.request.addr)}}
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
