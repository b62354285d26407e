-- What was mailed last to an account for each purpose. The token itself follows from the id and the root secret.
CREATE TABLE auth_mailed_tokens (
    id         TEXT    PRIMARY KEY,
    account_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;

-- A new one takes the place of the old.
CREATE UNIQUE INDEX auth_mailed_tokens_account_id_purpose_key ON auth_mailed_tokens (account_id, purpose);
