CREATE TABLE sessions (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL,
    generation      bigint      NOT NULL,
    current_digest  bytea       NOT NULL,
    previous_digest bytea,
    rotated_at      timestamptz,
    created_at      timestamptz NOT NULL,
    last_used_at    timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    user_agent      text        NOT NULL,
    ip              text        NOT NULL,
    ended_at        timestamptz,
    ended_reason    text
);

-- Ends and lists the sessions of one account.
CREATE INDEX sessions_account_id_idx ON sessions (account_id, created_at);
