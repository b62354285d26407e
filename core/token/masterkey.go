package token

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse/gatehouse/core/secret"
)

// ErrMasterKey says that the master key is missing, is not one, or is not the one that wrapped the root secret. It is for
// the operator at start and says what to do; nothing in the database was changed.
var ErrMasterKey = errors.New("master key")

// DevelopmentMasterKey is a public master key: it protects nothing. The app may use it in development where no master key is
// set, so that the first start needs nothing. To leave it, set master_key to "<a new key>,<this key>" once.
var DevelopmentMasterKey = secret.New(base64.StdEncoding.EncodeToString([]byte("gatehouse development master key")))

// UsesDevelopmentKey says whether the public development key is the one that would wrap the root secret.
func UsesDevelopmentKey(masterKeys secret.String) bool {
	first, _, _ := strings.Cut(masterKeys.Reveal(), ",")
	return strings.TrimSpace(first) == DevelopmentMasterKey.Reveal()
}

// CheckMasterKeys says what is wrong with a master_key setting, without showing any of it. An empty one is an error as well.
func CheckMasterKeys(masterKeys secret.String) error {
	_, err := parseMasterKeys(masterKeys)
	return err
}

// masterKey wraps the root secret.
type masterKey struct {
	id   string // names the key in the database; tells nothing about it
	wrap []byte // the AES-256 key that wraps
}

// parseMasterKeys reads "new" or "new,old". The first wraps, each may unwrap.
func parseMasterKeys(masterKeys secret.String) ([]masterKey, error) {
	if masterKeys.IsZero() {
		return nil, fmt.Errorf("%w: none is set; put 32 random bytes in standard base64 into GATEHOUSE_MASTER_KEY, for example from: openssl rand -base64 32", ErrMasterKey)
	}
	parts := strings.Split(masterKeys.Reveal(), ",")
	if len(parts) > 2 {
		return nil, fmt.Errorf("%w: at most two may be set, as new,old", ErrMasterKey)
	}
	keys := make([]masterKey, 0, len(parts))
	for i, part := range parts {
		raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(part))
		if err != nil || len(raw) != keySize {
			return nil, fmt.Errorf("%w: number %d is not 32 bytes in standard base64", ErrMasterKey, i+1)
		}
		keys = append(keys, masterKey{
			id:   hex.EncodeToString(derive(raw, "gatehouse master key id v1")[:8]),
			wrap: derive(raw, "gatehouse master key wrap v1"),
		})
	}
	return keys, nil
}
