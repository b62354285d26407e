package token

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
)

// RootState is what CheckRoot finds.
type RootState string

// The states of the root secret. A pending one is wrapped by the second of two master keys; the next start wraps it anew.
const (
	RootMissing RootState = "missing"
	RootOpens   RootState = "opens"
	RootPending RootState = "pending"
)

// CheckRoot says whether the master keys open the root secret, and changes nothing. Its errors are those of OpenRoot.
func CheckRoot(ctx context.Context, db database.Querier, masterKeys secret.String) (RootState, error) {
	keys, err := parseMasterKeys(masterKeys)
	if err != nil {
		return "", err
	}
	row, err := repository{db}.installation(ctx)
	if errors.Is(err, database.ErrNoRows) {
		return RootMissing, nil
	}
	if err != nil {
		return "", err
	}
	for i, key := range keys {
		if key.id != row.MasterKeyID {
			continue
		}
		// With the one key that wrapped it there is nothing to wrap anew, so nothing is written.
		if _, err := unwrapRoot(ctx, repository{db}, row, []masterKey{key}); err != nil {
			return "", err
		}
		if i > 0 {
			return RootPending, nil
		}
		return RootOpens, nil
	}
	return "", wrongMasterKey(row.MasterKeyID)
}
