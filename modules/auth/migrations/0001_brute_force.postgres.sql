-- Failed logins of an account, under a keyed digest; pruned by ranges of the key.
CREATE TABLE auth_login_attempts (
    digest        bytea       PRIMARY KEY,
    failures      integer     NOT NULL,
    blocked_until timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);

-- Addresses from which an account signed in, under a keyed digest of both.
CREATE TABLE auth_known_addresses (
    digest     bytea       PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
