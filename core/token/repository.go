package token

import (
	"context"
	"embed"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/database"
)

// Migrations make the tables of this package. They belong to the reserved module name "core".
//
//go:embed migrations/*.sql
var Migrations embed.FS

// installationRow is the one row of gatehouse_installation.
type installationRow struct {
	ID          uuid.UUID
	WrappedRoot []byte
	MasterKeyID string
	CreatedAt   time.Time
}

// keyRow is a row of gatehouse_signing_keys.
type keyRow struct {
	Kid        string
	Algorithm  string
	PublicJWK  json.RawMessage
	SealedKey  []byte
	CreatedAt  time.Time  // published from then on
	ActiveFrom time.Time  // signs from then on
	RetiredAt  *time.Time // signs no more from then on; nil while nothing succeeds it
	ExpiresAt  *time.Time // verifies no more from then on; nil while it may sign
}

// retired says whether the key signs no more at that time.
func (row *keyRow) retired(now time.Time) bool {
	return row.RetiredAt != nil && !now.Before(*row.RetiredAt)
}

// repository holds the only SQL of this package.
type repository struct{ db database.Querier }

func (r repository) installation(ctx context.Context) (installationRow, error) {
	var row installationRow
	err := r.db.QueryRow(ctx, `SELECT id, wrapped_root, master_key_id, created_at FROM gatehouse_installation WHERE singleton = 1`).
		Scan(&row.ID, &row.WrappedRoot, &row.MasterKeyID, &row.CreatedAt)
	return row, err
}

func (r repository) insertInstallation(ctx context.Context, row installationRow) error {
	_, err := r.db.Exec(ctx, `INSERT INTO gatehouse_installation (singleton, id, wrapped_root, master_key_id, created_at) VALUES (1, ?, ?, ?, ?)`,
		row.ID, row.WrappedRoot, row.MasterKeyID, row.CreatedAt)
	return err
}

func (r repository) updateWrapping(ctx context.Context, row installationRow) error {
	_, err := r.db.Exec(ctx, `UPDATE gatehouse_installation SET wrapped_root = ?, master_key_id = ? WHERE singleton = 1`, row.WrappedRoot, row.MasterKeyID)
	return err
}

func (r repository) signingKeys(ctx context.Context) ([]keyRow, error) {
	rows, err := r.db.Query(ctx, `SELECT kid, algorithm, public_jwk, sealed_key, created_at, active_from, retired_at, expires_at
		FROM gatehouse_signing_keys ORDER BY active_from, kid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []keyRow
	for rows.Next() {
		var k keyRow
		if err := rows.Scan(&k.Kid, &k.Algorithm, &k.PublicJWK, &k.SealedKey, &k.CreatedAt, &k.ActiveFrom, &k.RetiredAt, &k.ExpiresAt); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

func (r repository) insertSigningKey(ctx context.Context, k keyRow) error {
	_, err := r.db.Exec(ctx, `INSERT INTO gatehouse_signing_keys (kid, algorithm, public_jwk, sealed_key, created_at, active_from, retired_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, k.Kid, k.Algorithm, k.PublicJWK, k.SealedKey, k.CreatedAt, k.ActiveFrom, k.RetiredAt, k.ExpiresAt)
	return err
}

func (r repository) retireSigningKey(ctx context.Context, kid string, at, expires time.Time) error {
	_, err := r.db.Exec(ctx, `UPDATE gatehouse_signing_keys SET retired_at = ?, expires_at = ? WHERE kid = ?`, at, expires, kid)
	return err
}

// deleteExpiredSigningKeys deletes the oldest that verify no more, sealed private halves included, at most limit.
func (r repository) deleteExpiredSigningKeys(ctx context.Context, now time.Time, limit int) error {
	_, err := r.db.Exec(ctx, `DELETE FROM gatehouse_signing_keys WHERE kid IN
		(SELECT kid FROM gatehouse_signing_keys WHERE expires_at <= ? ORDER BY expires_at, kid LIMIT ?)`, now, limit)
	return err
}

func (r repository) deleteOtherSigningKeys(ctx context.Context, kid string) error {
	_, err := r.db.Exec(ctx, `DELETE FROM gatehouse_signing_keys WHERE kid <> ?`, kid)
	return err
}
