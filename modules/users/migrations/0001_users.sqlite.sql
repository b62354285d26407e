CREATE TABLE users (
    id              TEXT    PRIMARY KEY,
    email           TEXT    NOT NULL,
    email_canonical TEXT    NOT NULL,
    email_verified  INTEGER NOT NULL,
    password_hash   TEXT,
    full_name       TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    is_active       INTEGER NOT NULL,
    avatar          TEXT,
    locale          TEXT,
    timezone        TEXT,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    last_login_at   INTEGER
) STRICT;

-- One account per canonical address; login looks accounts up by it.
CREATE UNIQUE INDEX users_email_canonical_key ON users (email_canonical);
