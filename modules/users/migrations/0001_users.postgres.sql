CREATE TABLE users (
    id              uuid        PRIMARY KEY,
    email           text        NOT NULL,
    email_canonical text        NOT NULL,
    email_verified  boolean     NOT NULL,
    password_hash   text,
    full_name       text        NOT NULL,
    role            text        NOT NULL,
    is_active       boolean     NOT NULL,
    avatar          text,
    locale          text,
    timezone        text,
    version         bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    last_login_at   timestamptz
);

-- One account per canonical address; login looks accounts up by it.
CREATE UNIQUE INDEX users_email_canonical_key ON users (email_canonical);
