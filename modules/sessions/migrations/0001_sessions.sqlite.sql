CREATE TABLE sessions (
    id              TEXT    PRIMARY KEY,
    account_id      TEXT    NOT NULL,
    generation      INTEGER NOT NULL,
    current_digest  BLOB    NOT NULL,
    previous_digest BLOB,
    rotated_at      INTEGER,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    user_agent      TEXT    NOT NULL,
    ip              TEXT    NOT NULL,
    ended_at        INTEGER,
    ended_reason    TEXT
) STRICT;

-- Ends and lists the sessions of one account.
CREATE INDEX sessions_account_id_idx ON sessions (account_id, created_at);
