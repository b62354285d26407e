package token

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"
)

// keySet is the keys that a process knows at one time. It is immutable: a change of keys makes another.
type keySet struct {
	rows    []keyRow // what it was made from
	ordered []*signingKey
	byKid   map[string]*signingKey
	jwks    []byte
	etag    string
}

// newKeySet opens the rows, which stand in the order in which they become active. A key for an algorithm that this version
// does not know is left out: a newer version may run beside it on the same database.
func newKeySet(root *Root, rows []keyRow) (*keySet, error) {
	set := &keySet{rows: rows, byKid: make(map[string]*signingKey, len(rows))}
	sealKey := root.Derive(PurposeSigningKeys)
	published := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for _, row := range rows {
		if !Algorithm(row.Algorithm).valid() {
			continue
		}
		key, err := openKey(sealKey, row)
		if err != nil {
			return nil, err
		}
		set.ordered = append(set.ordered, key)
		set.byKid[key.kid] = key
		published.Keys = append(published.Keys, key.jwk)
	}
	var err error
	if set.jwks, err = json.Marshal(published); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(set.jwks)
	set.etag = `"` + encode(digest[:16]) + `"`
	return set, nil
}

// signer is the key that signs at that time: the one that became active last. Where this clock is behind that of the
// instance that made the only key, that key signs although its time has not come. It is nil when no key is left.
func (s *keySet) signer(now time.Time) *signingKey {
	for _, v := range slices.Backward(s.ordered) {
		if v.maySign(now) {
			return v
		}
	}
	for _, key := range s.ordered {
		if !key.retired(now) {
			return key
		}
	}
	return nil
}

// madeFrom says whether the rows are those that the set was made from.
func (s *keySet) madeFrom(rows []keyRow) bool {
	if len(rows) != len(s.rows) {
		return false
	}
	for i, row := range rows {
		had := s.rows[i]
		if row.Kid != had.Kid || !row.ActiveFrom.Equal(had.ActiveFrom) || !sameTime(row.RetiredAt, had.RetiredAt) || !sameTime(row.ExpiresAt, had.ExpiresAt) {
			return false
		}
	}
	return true
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// unexpired drops the rows of keys whose last token has expired.
func unexpired(rows []keyRow, now time.Time) []keyRow {
	var kept []keyRow
	for _, row := range rows {
		if row.ExpiresAt == nil || now.Before(*row.ExpiresAt) {
			kept = append(kept, row)
		}
	}
	return kept
}
