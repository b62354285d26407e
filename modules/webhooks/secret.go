package webhooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/core/secret"
)

const (
	purposeSecret = "webhooks.secret"
	secretPrefix  = "whsec_" // of Standard Webhooks
	secretSize    = 32       // bytes; Standard Webhooks has 24 to 64
	signVersion   = "v1,"    // HMAC-SHA-256
)

// newSecret makes a secret, sealed for the database and as the receiver is given it.
func (s *Service) newSecret(id ID) (sealed []byte, text secret.String, err error) {
	key := make([]byte, secretSize)
	_, _ = rand.Read(key) // it never fails
	sealed, err = s.deps.Root.Seal(purposeSecret, key, id.String())
	return sealed, secret.New(secretPrefix + base64.StdEncoding.EncodeToString(key)), err
}

// keys gives the secrets that a delivery is signed with: the current one, and the one of before while that lives.
func (s *Service) keys(h Hook, now time.Time) ([][]byte, error) {
	sealed := [][]byte{h.secret}
	if h.previous != nil && h.PreviousUntil != nil && h.PreviousUntil.After(now) {
		sealed = append(sealed, h.previous)
	}
	all := make([][]byte, 0, len(sealed))
	for _, one := range sealed {
		key, err := s.deps.Root.Open(purposeSecret, one, h.ID.String())
		if err != nil {
			return nil, fmt.Errorf("open the secret of webhook %s: %w", h.ID, err)
		}
		all = append(all, key)
	}
	return all, nil
}

// sign gives the webhook-signature of a message, one for each key.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	var text string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix()) // a digest takes everything
		mac.Write(body)
		if text != "" {
			text += " "
		}
		text += signVersion + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return text
}
