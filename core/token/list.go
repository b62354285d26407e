package token

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

// KeyState is what a signing key does at a time.
type KeyState string

// The states, in the order of a key's life. It verifies in all of them; once it has expired it is not listed.
const (
	KeyPublished KeyState = "published" // its time to sign has not come
	KeySigning   KeyState = "signing"
	KeyRetired   KeyState = "retired" // signs no more, and verifies what it has signed
)

// Key describes a signing key, with nothing secret.
type Key struct {
	ID        string // kid
	Algorithm Algorithm
	State     KeyState
	CreatedAt time.Time  // published from then on
	SignsFrom *time.Time // nil where it never signs, since another overtook it
	RetiresAt *time.Time // nil while nothing succeeds it
	ExpiresAt *time.Time // verifies until then; nil while nothing succeeds it
}

// ListKeys lists the keys that have not expired at that time, in the order in which they sign. It opens none of them, so it
// needs no master key.
func ListKeys(ctx context.Context, db database.Querier, now time.Time) ([]Key, error) {
	rows, err := repository{db}.signingKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list signing keys: %w", err)
	}
	rows = unexpired(rows, now)
	keys := make([]Key, 0, len(rows))
	for _, row := range rows {
		keys = append(keys, row.describe(now))
	}
	return keys, nil
}

func (row *keyRow) describe(now time.Time) Key {
	k := Key{
		ID: row.Kid, Algorithm: Algorithm(row.Algorithm), State: KeySigning, CreatedAt: row.CreatedAt,
		SignsFrom: &row.ActiveFrom, RetiresAt: row.RetiredAt, ExpiresAt: row.ExpiresAt,
	}
	if row.retired(row.ActiveFrom) {
		k.SignsFrom = nil
	}
	switch {
	case row.retired(now):
		k.State = KeyRetired
	case now.Before(row.ActiveFrom):
		k.State = KeyPublished
	}
	return k
}
