package audit

import (
	"bytes"
	"context"
	"crypto/hmac"

	"github.com/gatehouse/gatehouse/core/account"
)

// content says what is wrong with a row by itself, or nothing.
func (v *verification) content(ctx context.Context, r row) (string, error) {
	if !v.keys.wrote(r) {
		return "it was changed, or added by a stranger", nil
	}
	client := personal{kept: r.ip != "" || r.userAgent != "", salt: r.clientSalt, digest: r.clientDigest, computed: func() []byte { return clientDigest(r) }}
	email := personal{kept: r.email != "", salt: r.emailSalt, digest: r.emailDigest, computed: func() []byte { return emailDigest(r) }}
	if !client.whole() || !email.whole() {
		return "its address, program or e-mail address was changed", nil
	}
	if !client.gone() && !email.gone() {
		return "", nil
	}
	v.out.Erased++
	owner := r.actor
	if owner.IsZero() {
		owner = r.target
	}
	for _, p := range []struct {
		gone bool
		of   account.ID
	}{{client.gone(), owner}, {email.gone(), r.target}} {
		if !p.gone {
			continue
		}
		ok, err := v.wasErased(ctx, p.of)
		if err != nil {
			return "", err
		}
		if !ok {
			return "something personal was taken out, and the account was not deleted", nil
		}
	}
	return "", nil
}

// wrote says whether a row says what the program wrote.
func (k keys) wrote(r row) bool { return hmac.Equal(r.mac, k.rowMAC(r)) }

// personal is a part of a row that can be erased.
type personal struct {
	kept         bool
	salt, digest []byte
	computed     func() []byte
}

// gone says whether it was there and was erased.
func (p personal) gone() bool { return p.digest != nil && p.salt == nil }

// whole says whether it is as it was written, or nothing of it is left.
func (p personal) whole() bool {
	if p.salt == nil {
		return !p.kept
	}
	return bytes.Equal(p.digest, p.computed())
}

// mostRemembered bounds what is known of erasures.
const mostRemembered = 10_000

func (v *verification) wasErased(ctx context.Context, id account.ID) (bool, error) {
	if known, ok := v.erased[id]; ok {
		return known, nil
	}
	at, mac, found, err := v.repo.erasure(ctx, id)
	if err != nil {
		return false, err
	}
	if len(v.erased) >= mostRemembered {
		clear(v.erased)
	}
	v.erased[id] = found && hmac.Equal(mac, v.keys.erasureMAC(id, at))
	return v.erased[id], nil
}
