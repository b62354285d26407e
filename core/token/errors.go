package token

import (
	"errors"

	"github.com/gatehouse/gatehouse/core/errs"
)

// ErrInvalid is the answer for everything that is not a good access token (invalid_token of RFC 6750 section 3.1). Its cause,
// for the log alone, is one of a fixed set of texts and holds nothing of the token.
var ErrInvalid = errs.ErrInvalidToken

// Why a token was refused.
var (
	errTooLong    = refusal("too long")
	errForm       = refusal("not three parts of canonical base64url")
	errHeader     = refusal("header is not strict JSON with alg, typ and kid alone")
	errType       = refusal("type is not at+jwt")
	errAlgorithm  = refusal("algorithm is not that of the key")
	errKeyID      = refusal("kid is not a thumbprint")
	errPayload    = refusal("claims are not a strict JSON object")
	errClaim      = refusal("a claim is missing or malformed")
	errIssuer     = refusal("issued by another")
	errAudience   = refusal("meant for another audience or client")
	errLifetime   = refusal("lives too long or ends before it begins")
	errExpired    = refusal("expired")
	errNotYet     = refusal("issued in the future")
	errUnknownKey = refusal("signed by an unknown key")
	errSignature  = refusal("signature does not match")
)

func refusal(why string) *errs.Error { return ErrInvalid.WithCause(errors.New(why)) }
