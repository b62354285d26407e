package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
)

// request is what the border knows about one request; it travels in the context as a single value.
type request struct {
	id        string
	route     string // pattern's path, "" until one matched
	path      string // as the client wrote it, base path included
	base      string // the base path
	addr      netip.Addr
	userAgent string // as the client wrote it
	languages string // Accept-Language, as the client wrote it
	started   time.Time
	principal account.Principal
}

type requestKey struct{}

func fromContext(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// InRequest says whether ctx is that of a request. It is not in a command, nor in a job.
func InRequest(ctx context.Context) bool { return fromContext(ctx) != nil }

// Principal gives who the request acts for. It is the zero Principal on a public operation.
func Principal(ctx context.Context) account.Principal {
	if r := fromContext(ctx); r != nil {
		return r.principal
	}
	return account.Principal{}
}

// PathTo gives the path at which the client reaches a path of this service: below http.base_path. Outside a request it is the
// path itself.
func PathTo(ctx context.Context, path string) string {
	if r := fromContext(ctx); r != nil {
		return r.base + path
	}
	return path
}

// ClientAddr gives the client's address, past the trusted proxies. It is invalid outside a request.
func ClientAddr(ctx context.Context) netip.Addr {
	if r := fromContext(ctx); r != nil {
		return r.addr
	}
	return netip.Addr{}
}

// maxUserAgent bounds what is kept of a header that the client chooses.
const maxUserAgent = 256

// UserAgent gives the client's own description of itself, cut to 256 bytes of printable UTF-8.
func UserAgent(ctx context.Context) string {
	if r := fromContext(ctx); r != nil {
		return cutUserAgent(r.userAgent)
	}
	return ""
}

// AcceptLanguage gives the languages that the client asks for, as it wrote them (RFC 9110 section 12.5.4); empty is any.
func AcceptLanguage(ctx context.Context) string {
	if r := fromContext(ctx); r != nil {
		return r.languages
	}
	return ""
}

// requestID takes the client's X-Request-ID if it is 1 to 128 of A-Z a-z 0-9 . _ -, else makes one.
func requestID(h http.Header) string {
	if ids := h["X-Request-Id"]; len(ids) == 1 && isRequestID(ids[0]) {
		return ids[0]
	}
	return uuid.Must(uuid.NewV7()).String()
}

func isRequestID(s string) bool {
	if len(s) < 1 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func cutUserAgent(s string) string {
	if len(s) > maxUserAgent {
		s = s[:maxUserAgent]
	}
	return printable(s)
}

// printable drops control characters and what is no UTF-8, so that text from outside stays on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}
