-- The one row that names the installation and holds its root secret, wrapped by the master key.
CREATE TABLE gatehouse_installation (
    singleton     INTEGER PRIMARY KEY CHECK (singleton = 1),
    id            TEXT    NOT NULL,
    wrapped_root  BLOB    NOT NULL,
    master_key_id TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

-- A key is published from created_at, signs from active_from until retired_at, and verifies until expires_at.
CREATE TABLE gatehouse_signing_keys (
    kid         TEXT    PRIMARY KEY,
    algorithm   TEXT    NOT NULL,
    public_jwk  TEXT    NOT NULL,
    sealed_key  BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    active_from INTEGER NOT NULL,
    retired_at  INTEGER,
    expires_at  INTEGER
) STRICT;
