package httpapi

import (
	"net/http"
	"strings"

	"github.com/gatehouse/gatehouse/core/errs"
)

// ErrInvalidToken is a token that is malformed, expired, revoked or not ours; the client cannot tell which.
var ErrInvalidToken = errs.Authentication("", "the access token is malformed, expired, revoked or not ours")

// bearer reads the Authorization header (RFC 6750 section 2.1). The scheme's name is case-insensitive.
func bearer(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", errs.ErrAuthentication
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", ErrInvalidToken
	}
	return token, nil
}
