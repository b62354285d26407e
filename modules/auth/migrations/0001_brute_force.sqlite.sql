-- Failed logins of an account, under a keyed digest; pruned by ranges of the key.
CREATE TABLE auth_login_attempts (
    digest        BLOB    PRIMARY KEY,
    failures      INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT;

-- Addresses from which an account signed in, under a keyed digest of both.
CREATE TABLE auth_known_addresses (
    digest     BLOB    PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;
