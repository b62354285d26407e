package token

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
)

const (
	// MaxAccessLength is the length in bytes of the longest text that is looked at as an access token.
	MaxAccessLength = 4096
	// Leeway is how far the clocks of two instances may be apart: a token counts until that long after its exp, and from
	// that long before its iat and nbf, so that nobody is logged out by a clock (RFC 7519 section 4.1.4).
	Leeway = time.Minute
	// ClientID is the client_id of tokens from signing in here with a password: RFC 9068 section 2.2 asks for one, and there
	// the client is the service itself.
	ClientID = "gatehouse"

	accessType  = "at+jwt" // RFC 9068 section 2.1, in its one recommended spelling
	maxRoles    = 16
	maxRoleLen  = 64
	maxVerified = 10_000 // tokens whose verification is remembered: about 5 MB
)

// Claims is what an access token says.
type Claims struct {
	Account   account.ID        // sub
	Session   account.SessionID // sid
	Roles     []account.Role    // roles: what the account held at issue; decisions use the stores
	ID        string            // jti, a UUID
	IssuedAt  time.Time         // iat, whole seconds
	ExpiresAt time.Time         // exp, whole seconds
}

// Options says what access tokens are issued as.
type Options struct {
	Issuer   string // iss, of Settings.Names
	Audience string // aud, of Settings.Names
	TTL      time.Duration
}

// Access issues and verifies access tokens. It is safe for concurrent use.
type Access struct {
	keys     *Keys
	clock    clock.Clock
	issuer   string
	audience string
	ttl      time.Duration
	prefix   string // the payload up to the value of sub
	verified verifications
}

// verifications are those of an otter.Cache, whose generic code an interface keeps out of the packages that know an Access.
type verifications interface {
	GetIfPresent(digest [sha256.Size]byte) (*verification, bool)
	Set(digest [sha256.Size]byte, v *verification) (*verification, bool)
}

// verification is a token that was found good, by the keys of one set.
type verification struct {
	claims Claims
	key    *signingKey
	set    *keySet
}

// NewAccess makes the issuer and verifier over the keys. It fails for a name or a life that cannot be issued.
func NewAccess(keys *Keys, clk clock.Clock, o Options) (*Access, error) {
	if err := checkIssuer(o.Issuer); err != nil {
		return nil, fmt.Errorf("token issuer: %w", err)
	}
	if err := checkName(o.Audience); err != nil {
		return nil, fmt.Errorf("token audience: %w", err)
	}
	if err := checkTTL(o.TTL); err != nil {
		return nil, fmt.Errorf("token ttl: %w", err)
	}
	verified, err := otter.New(&otter.Options[[sha256.Size]byte, *verification]{
		MaximumSize: maxVerified,
		Executor:    func(maintain func()) { maintain() }, // a bounded step in the caller, so that no goroutine is without an owner
	})
	if err != nil {
		return nil, fmt.Errorf("make the cache of verified tokens: %w", err)
	}
	return &Access{
		keys: keys, clock: clk, issuer: o.Issuer, audience: o.Audience, ttl: o.TTL, verified: verified,
		prefix: fmt.Sprintf(`{"iss":"%s","aud":"%s","client_id":"%s","sub":"`, o.Issuer, o.Audience, ClientID),
	}, nil
}

// TTL is the life of the tokens that Issue gives: the answer's expires_in.
func (a *Access) TTL() time.Duration { return a.ttl }

// Issue signs an access token (RFC 9068) for the account, session and roles of the claims, and sets all other claims
// itself. It reaches no store. It fails for claims that Verify would refuse.
func (a *Access) Issue(c Claims) (string, error) {
	if c.Account.IsZero() || c.Session.IsZero() || !validRoles(c.Roles) {
		return "", fmt.Errorf("issue access token: incomplete claims")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("issue access token: %w", err)
	}
	now := a.clock.Now()
	key := a.keys.set.Load().signer(now)
	if key == nil {
		return "", fmt.Errorf("issue access token: no signing key is active")
	}
	token := make([]byte, 0, 1024)
	token = append(token, key.header...)
	token = appendEncoded(token, a.payload(c, id, now.Unix()))
	signature, err := sign(key.private(), token)
	if err != nil {
		return "", fmt.Errorf("issue access token: %w", err)
	}
	token = append(token, '.')
	return string(appendEncoded(token, signature)), nil
}

// payload writes the claims. Every text in it is an id or was checked to need no escape in JSON.
func (a *Access) payload(c Claims, id uuid.UUID, now int64) []byte {
	b := make([]byte, 0, 512)
	b = append(b, a.prefix...)
	b = append(b, c.Account.String()...)
	b = append(b, `","iat":`...)
	b = strconv.AppendInt(b, now, 10)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, now+int64(a.ttl/time.Second), 10)
	b = append(b, `,"jti":"`...)
	b = append(b, id.String()...)
	b = append(b, `","sid":"`...)
	b = append(b, c.Session.String()...)
	b = append(b, `","roles":[`...)
	for i, role := range c.Roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, role...)
		b = append(b, '"')
	}
	return append(b, "]}"...)
}

// Verify checks an access token whole and gives its claims; whether its session is alive is for the caller to ask. Anything
// but a good token gives ErrInvalid, cheapest checks first. It reaches no store unless the token is right in all but an
// unknown key id, and then at most once in a few seconds for all such tokens together; where that look fails the answer is
// errs.ErrUnavailable. A token that was found good is remembered by its digest, and its times are checked at every use.
func (a *Access) Verify(ctx context.Context, token string) (Claims, error) {
	if len(token) > MaxAccessLength {
		return Claims{}, errTooLong
	}
	now := a.clock.Now()
	v, digest := a.remembered(token)
	if v == nil {
		var err error
		if v, err = a.verify(ctx, token, now); err != nil {
			return Claims{}, err
		}
		a.verified.Set(digest, v)
	}
	if err := checkTimes(v.claims, now); err != nil {
		return Claims{}, err
	}
	if !v.key.mayVerify(now) {
		return Claims{}, errUnknownKey
	}
	claims := v.claims
	claims.Roles = slices.Clone(claims.Roles)
	return claims, nil
}

// SessionOf gives the session of a token that we signed, even where its time is over; false for any other, and where the
// keys cannot be read. It says whose a request is, so that it can be counted; only Verify says whether to believe it.
func (a *Access) SessionOf(ctx context.Context, token string) (account.SessionID, bool) {
	if len(token) > MaxAccessLength {
		return account.SessionID{}, false
	}
	v, digest := a.remembered(token)
	if v == nil {
		parsed, claims, err := a.read(token)
		if err != nil {
			return account.SessionID{}, false
		}
		if v, err = a.verifySigned(ctx, parsed, claims, a.clock.Now()); err != nil {
			return account.SessionID{}, false
		}
		a.verified.Set(digest, v)
	}
	return v.claims.Session, true
}

// remembered gives the verification of a token whose signature was found good, or nil, and the digest to remember it by.
func (a *Access) remembered(token string) (*verification, [sha256.Size]byte) {
	var stack [1024]byte // enough for the usual token, so that a hit copies it without allocating
	digest := sha256.Sum256(append(stack[:0], token...))
	if v, ok := a.verified.GetIfPresent(digest); ok && v.set == a.keys.set.Load() {
		return v, digest
	}
	return nil, digest
}

func (a *Access) verify(ctx context.Context, token string, now time.Time) (*verification, error) {
	parsed, claims, err := a.read(token)
	if err != nil {
		return nil, err
	}
	if err := checkTimes(claims, now); err != nil {
		return nil, err
	}
	return a.verifySigned(ctx, parsed, claims, now)
}

// read takes a token apart and checks all of it but its times and its signature.
func (a *Access) read(token string) (unverified, Claims, error) {
	parsed, err := parse(token)
	if err != nil {
		return unverified{}, Claims{}, err
	}
	claims, err := a.parseClaims(parsed.payload)
	return parsed, claims, err
}

func (a *Access) verifySigned(ctx context.Context, parsed unverified, claims Claims, now time.Time) (*verification, error) {
	key, set, err := a.keys.find(ctx, parsed.kid)
	if err != nil {
		return nil, err
	}
	if parsed.algorithm != key.algorithm {
		return nil, errAlgorithm
	}
	if !key.mayVerify(now) {
		return nil, errUnknownKey
	}
	if !verifySignature(key.public, []byte(parsed.signed), parsed.signature) {
		return nil, errSignature
	}
	return &verification{claims: claims, key: key, set: set}, nil
}

// checkTimes allows for the leeway on both sides.
func checkTimes(c Claims, now time.Time) error {
	if !now.Before(c.ExpiresAt.Add(Leeway)) {
		return errExpired
	}
	if c.IssuedAt.After(now.Add(Leeway)) {
		return errNotYet
	}
	return nil
}

func validRoles(roles []account.Role) bool {
	if len(roles) == 0 || len(roles) > maxRoles {
		return false
	}
	for _, role := range roles {
		if len(role) > maxRoleLen || checkName(string(role)) != nil {
			return false
		}
	}
	return true
}
