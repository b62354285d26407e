-- The one row that names the installation and holds its root secret, wrapped by the master key.
CREATE TABLE gatehouse_installation (
    singleton     integer     PRIMARY KEY CHECK (singleton = 1),
    id            uuid        NOT NULL,
    wrapped_root  bytea       NOT NULL,
    master_key_id text        NOT NULL,
    created_at    timestamptz NOT NULL
);

-- A key is published from created_at, signs from active_from until retired_at, and verifies until expires_at.
CREATE TABLE gatehouse_signing_keys (
    kid         text        PRIMARY KEY,
    algorithm   text        NOT NULL,
    public_jwk  jsonb       NOT NULL,
    sealed_key  bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    active_from timestamptz NOT NULL,
    retired_at  timestamptz,
    expires_at  timestamptz
);
