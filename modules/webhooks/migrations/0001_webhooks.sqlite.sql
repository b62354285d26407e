-- Where events go over HTTP, and of which types (a JSON list; empty is all). The secrets are sealed: the current one, and
-- the one of before, which signs as well until previous_until.
CREATE TABLE webhooks (
    id              TEXT    PRIMARY KEY,
    url             TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    event_types     TEXT    NOT NULL,
    is_active       INTEGER NOT NULL,
    disabled_at     INTEGER,
    disabled_reason TEXT,
    failing_since   INTEGER,
    failed_at       INTEGER,
    secret          BLOB    NOT NULL,
    previous_secret BLOB,
    previous_until  INTEGER,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

-- The list, the newest first.
CREATE INDEX webhooks_created_at_idx ON webhooks (created_at, id);

-- What workers deliver to, a hundred at most.
CREATE INDEX webhooks_active_idx ON webhooks (id) WHERE is_active;

-- Attempts at deliveries, kept for a while: when, of which event, and what came of it.
CREATE TABLE webhooks_deliveries (
    id           TEXT    PRIMARY KEY,
    webhook_id   TEXT    NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id     TEXT    NOT NULL,
    event_type   TEXT    NOT NULL,
    attempted_at INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    status       INTEGER,
    fault        TEXT
) STRICT;

-- The log of one webhook, the newest first, and what goes with it.
CREATE INDEX webhooks_deliveries_webhook_id_idx ON webhooks_deliveries (webhook_id, attempted_at, id);

-- What is no longer kept.
CREATE INDEX webhooks_deliveries_attempted_at_idx ON webhooks_deliveries (attempted_at);
