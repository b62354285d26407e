package audit

import (
	"crypto/ed25519"

	"github.com/gatehouse/gatehouse/core/token"
)

// keys are derived from the root secret of the installation, so that nobody who can write to the database alone has them, and
// they outlive every master key.
type keys struct {
	row  []byte             // of the rows' MACs
	seal ed25519.PrivateKey // of the seals' signatures
}

func newKeys(derive func(purpose string) []byte) keys {
	return keys{row: derive(token.PurposeAuditRow), seal: ed25519.NewKeyFromSeed(derive(token.PurposeAuditSeal))}
}

func (k keys) sign(digest []byte) []byte { return ed25519.Sign(k.seal, digest) }

func (k keys) verifies(digest, signature []byte) bool {
	return ed25519.Verify(k.public(), digest, signature)
}

func (k keys) public() ed25519.PublicKey {
	public, _ := k.seal.Public().(ed25519.PublicKey) // it is one
	return public
}
