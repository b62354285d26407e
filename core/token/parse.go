package token

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse/gatehouse/core/account"
)

// Sizes in characters of base64url.
const (
	kidLen       = 43 // of a SHA-256 thumbprint
	signatureLen = 86 // of signatureSize bytes
)

// strictBase64 takes no padding and no stray trailing bits. It skips line breaks by itself, so splitToken looks for them.
var strictBase64 = base64.RawURLEncoding.Strict()

// unverified is a token in the right form. Nothing in it can be trusted yet.
type unverified struct {
	algorithm Algorithm
	kid       string
	payload   []byte
	signed    string // what the signature is over
	signature []byte
}

// parse takes a token apart as a JWS in compact serialisation (RFC 7515 section 7.1) and refuses every other form, and every
// header but the one that our own tokens have: no jku, jwk, x5u, x5c, crit, zip or b64 is ever read (RFC 8725 section 3).
func parse(token string) (unverified, error) {
	header, payload, signature, ok := splitToken(token)
	if !ok || len(signature) != signatureLen {
		return unverified{}, errForm
	}
	rawHeader, errH := strictBase64.DecodeString(header)
	rawPayload, errP := strictBase64.DecodeString(payload)
	rawSignature, errS := strictBase64.DecodeString(signature)
	if errH != nil || errP != nil || errS != nil {
		return unverified{}, errForm
	}
	u := unverified{payload: rawPayload, signed: token[:len(header)+1+len(payload)], signature: rawSignature}
	err := u.readHeader(rawHeader)
	return u, err
}

// splitToken cuts the token into its three parts if it has just three, none empty, of base64url characters alone.
func splitToken(token string) (header, payload, signature string, ok bool) {
	for i := range len(token) {
		if c := token[i]; !isBase64URL(c) && c != '.' {
			return "", "", "", false
		}
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, found := strings.Cut(rest, ".")
	ok = found && header != "" && payload != "" && !strings.Contains(signature, ".")
	return header, payload, signature, ok
}

func isBase64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// readHeader reads the three members that a header has, each once.
func (u *unverified) readHeader(raw []byte) error {
	var algorithm, typ string
	err := readObject(raw, func(name string, d *jsontext.Decoder) error {
		switch name {
		case "alg":
			return readString(d, &algorithm)
		case "typ":
			return readString(d, &typ)
		case "kid":
			return readString(d, &u.kid)
		default:
			return errHeader
		}
	})
	switch {
	case err != nil:
		return errHeader
	case typ != accessType:
		return errType
	case !Algorithm(algorithm).valid():
		return errAlgorithm
	case len(u.kid) != kidLen || strings.ContainsFunc(u.kid, func(r rune) bool { return r > 0x7f || !isBase64URL(byte(r)) }):
		return errKeyID
	}
	u.algorithm = Algorithm(algorithm)
	return nil
}

// rawClaims is the claims as the payload spells them.
type rawClaims struct {
	issuer, audience, clientID, subject, id, session string
	issuedAt, expiresAt, notBefore                   int64
	roles                                            []account.Role
}

// parseClaims reads and checks all claims but the times against the clock. Members that it does not know are passed over: a
// newer version beside this one may issue them. aud is one string, as we issue it.
func (a *Access) parseClaims(payload []byte) (Claims, error) {
	var c rawClaims
	if err := readObject(payload, c.member); err != nil {
		if errors.Is(err, errClaim) {
			return Claims{}, errClaim
		}
		return Claims{}, errPayload
	}
	if c.issuer != a.issuer {
		return Claims{}, errIssuer
	}
	if c.audience != a.audience || c.clientID != ClientID {
		return Claims{}, errAudience
	}
	subject, err1 := account.ParseID(c.subject)
	session, err2 := account.ParseSessionID(c.session)
	jti, err3 := account.ParseID(c.id) // a UUID in its one spelling, like the others
	if err := errors.Join(err1, err2, err3); err != nil || subject.IsZero() || session.IsZero() || jti.IsZero() || !validRoles(c.roles) {
		return Claims{}, errClaim
	}
	if c.issuedAt == 0 || c.expiresAt == 0 {
		return Claims{}, errClaim
	}
	if life := c.expiresAt - c.issuedAt; life <= 0 || life > int64(maxTTL/time.Second) || c.notBefore > c.issuedAt {
		return Claims{}, errLifetime
	}
	return Claims{
		Account: subject, Session: session, Roles: c.roles, ID: c.id,
		IssuedAt: time.Unix(c.issuedAt, 0).UTC(), ExpiresAt: time.Unix(c.expiresAt, 0).UTC(),
	}, nil
}

func (c *rawClaims) member(name string, d *jsontext.Decoder) error {
	switch name {
	case "iss":
		return readString(d, &c.issuer)
	case "aud":
		return readString(d, &c.audience)
	case "client_id":
		return readString(d, &c.clientID)
	case "sub":
		return readString(d, &c.subject)
	case "jti":
		return readString(d, &c.id)
	case "sid":
		return readString(d, &c.session)
	case "iat":
		return readDate(d, &c.issuedAt)
	case "exp":
		return readDate(d, &c.expiresAt)
	case "nbf":
		return readDate(d, &c.notBefore)
	case "roles":
		return readRoles(d, &c.roles)
	default:
		return d.SkipValue()
	}
}

// readObject reads one JSON object and nothing after it. Invalid UTF-8 and a name that comes twice, at any depth and
// however it is escaped, are errors (RFC 7493).
func readObject(raw []byte, member func(name string, d *jsontext.Decoder) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if start, err := d.ReadToken(); err != nil || start.Kind() != '{' {
		return fmt.Errorf("not a JSON object")
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String(), d); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the JSON object")
	}
	return nil
}

func readString(d *jsontext.Decoder, into *string) error {
	t, err := d.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '"' {
		return errClaim
	}
	*into = t.String()
	return nil
}

// readDate reads a NumericDate (RFC 7519 section 2) as we issue it: positive, whole seconds, in plain digits.
func readDate(d *jsontext.Decoder, into *int64) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	const maxDigits = 11 // the year 5138
	seconds, err := strconv.ParseUint(string(v), 10, 63)
	if err != nil || len(v) > maxDigits || seconds == 0 {
		return errClaim
	}
	*into = int64(seconds)
	return nil
}

func readRoles(d *jsontext.Decoder, into *[]account.Role) error {
	t, err := d.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '[' {
		return errClaim
	}
	for d.PeekKind() != ']' {
		var role string
		if err := readString(d, &role); err != nil {
			return err
		}
		if len(*into) == maxRoles {
			return errClaim
		}
		*into = append(*into, account.Role(role))
	}
	_, err = d.ReadToken()
	return err
}

func appendEncoded(b, raw []byte) []byte { return base64.RawURLEncoding.AppendEncode(b, raw) }
