-- What was mailed last to an account for each purpose. The token itself follows from the id and the root secret.
CREATE TABLE auth_mailed_tokens (
    id         uuid        PRIMARY KEY,
    account_id uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    text        NOT NULL,
    address    text        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

-- A new one takes the place of the old.
CREATE UNIQUE INDEX auth_mailed_tokens_account_id_purpose_key ON auth_mailed_tokens (account_id, purpose);
