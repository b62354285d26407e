package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse/gatehouse/core/errs"
)

// bearer reads the Authorization header (RFC 6750 section 2.1, RFC 9110 section 11.4): the scheme's name is
// case-insensitive, one space or more stand before the token. Another scheme is no token at all.
func bearer(h http.Header) (string, error) {
	values := h["Authorization"]
	switch len(values) {
	case 0:
		return "", errs.ErrAuthentication
	case 1:
	default:
		return "", errs.ErrInvalidToken
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errs.ErrAuthentication
	}
	token = strings.TrimLeft(token, " ")
	if !isToken68(token) {
		return "", errs.ErrInvalidToken
	}
	return token, nil
}

// isToken68 says whether the text is of the one form that a bearer token has.
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._~+/", c) < 0 {
			return false
		}
	}
	return s != ""
}

// worthless is the challenge to every token that is worth nothing, an access token or another. It is one text, so that
// nothing tells why.
const worthless = `Bearer error="invalid_token", error_description="the token is malformed, expired, revoked or not ours"`

// challenge is the WWW-Authenticate of RFC 6750 section 3. Where no token was sent it names the scheme alone.
func challenge(e *errs.Error) string {
	if errors.Is(e, errs.ErrAuthentication) {
		return "Bearer"
	}
	return worthless
}
