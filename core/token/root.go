package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
)

// Purposes of keys that are derived from the root secret. One purpose has one use: two parts of the program never share a key.
const (
	PurposeSigningKeys   = "signing keys"      // seals private signing keys in the database
	PurposeRefreshTag    = "refresh tag"       // authenticates refresh tokens
	PurposeRefreshNext   = "refresh successor" // derives the secret of the next refresh token
	PurposeRefreshDigest = "refresh digest"    // digests refresh tokens for the database
	PurposeCursor        = "page cursor"       // authenticates cursors of lists
	PurposeAccountDigest = "account digest"    // digests addresses that need not belong to an account, as in failed logins
	PurposeMailedToken   = "mailed token"      // authenticates tokens that go out by mail
	PurposeAuditRow      = "audit row"         // authenticates rows of the audit trail
	PurposeAuditSeal     = "audit seal"        // is the seed of the key that signs seals of the audit trail
)

// rootLock makes instances that start at once agree on one root secret and on the first signing key.
const rootLock = "gatehouse.keys"

// Root is the root secret of an installation. It is immutable and safe for concurrent use.
type Root struct {
	installation uuid.UUID
	secret       hidden[[]byte]
}

// OpenRoot reads the root secret, or makes it at the very first start. masterKeys is "new" or "new,old", each 32 bytes in
// standard base64; a root secret wrapped by the old key is wrapped anew by the new one, after which the old may go.
// Instances that start at once agree. A master key that did not wrap the root secret gives ErrMasterKey and changes
// nothing; a database that is away gives errs.ErrUnavailable.
func OpenRoot(ctx context.Context, db *database.DB, masterKeys secret.String, clk clock.Clock) (*Root, error) {
	keys, err := parseMasterKeys(masterKeys)
	if err != nil {
		return nil, err
	}
	var root *Root
	err = db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := tx.Lock(ctx, rootLock); err != nil {
			return err
		}
		repo := repository{tx}
		row, err := repo.installation(ctx)
		switch {
		case errors.Is(err, database.ErrNoRows):
			root, err = createRoot(ctx, repo, keys[0], clk)
		case err == nil:
			root, err = unwrapRoot(ctx, repo, row, keys)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open root secret: %w", err)
	}
	return root, nil
}

// InstallationID is the lower-case UUID that names the installation: the same for all instances on one database.
func (r *Root) InstallationID() string { return r.installation.String() }

// Derive gives the 32-byte key for a purpose (HKDF-SHA-256, RFC 5869): always the same one in this installation, and nothing
// can be told from it about the root secret or the key of another purpose. Use the Purpose constants, or a module's name
// and a use ("notes.share").
func (r *Root) Derive(purpose string) []byte {
	return derive(r.secret(), "gatehouse v1 "+purpose)
}

func newRoot() *Root {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program where there is no randomness
	return &Root{installation: uuid.Must(uuid.NewV7()), secret: hide(secret)}
}

func createRoot(ctx context.Context, repo repository, key masterKey, clk clock.Clock) (*Root, error) {
	root := newRoot()
	row := installationRow{ID: root.installation, CreatedAt: clk.Now()}
	if err := row.wrap(root, key); err != nil {
		return nil, err
	}
	return root, repo.insertInstallation(ctx, row)
}

// unwrapRoot opens the root secret with the key that wrapped it, and wraps it under the first key if that was another.
func unwrapRoot(ctx context.Context, repo repository, row installationRow, keys []masterKey) (*Root, error) {
	for i, key := range keys {
		if key.id != row.MasterKeyID {
			continue
		}
		plain, err := open(key.wrap, row.WrappedRoot, row.bound())
		if err != nil || len(plain) != keySize {
			return nil, fmt.Errorf("%w: it fits, but the root secret in table gatehouse_installation is damaged; restore that row from a back-up", ErrMasterKey)
		}
		root := &Root{installation: row.ID, secret: hide(plain)}
		if i == 0 {
			return root, nil
		}
		if err := row.wrap(root, keys[0]); err != nil {
			return nil, err
		}
		return root, repo.updateWrapping(ctx, row)
	}
	return nil, wrongMasterKey(row.MasterKeyID)
}

func wrongMasterKey(usedID string) error {
	if development, err := parseMasterKeys(DevelopmentMasterKey); err == nil && development[0].id == usedID {
		return fmt.Errorf("%w: this database was set up without one; to keep its sessions and move to yours, start once with GATEHOUSE_MASTER_KEY=<your key>,%s",
			ErrMasterKey, DevelopmentMasterKey.Reveal())
	}
	return fmt.Errorf("%w: this is not the one that wrapped the root secret of this database (key id %s); set GATEHOUSE_MASTER_KEY to that key, or to <new>,<that key> to change it; "+
		"a database of another installation may be behind database.url", ErrMasterKey, usedID)
}

// wrap puts the root secret into the row, under the key.
func (row *installationRow) wrap(root *Root, key masterKey) error {
	row.MasterKeyID = key.id
	sealed, err := seal(key.wrap, root.secret(), row.bound())
	row.WrappedRoot = sealed
	return err
}

// bound is what the wrapping authenticates beside the secret, so that no row can be put together from two.
func (row *installationRow) bound() string {
	return "gatehouse root v1 " + row.ID.String() + " " + row.MasterKeyID
}
