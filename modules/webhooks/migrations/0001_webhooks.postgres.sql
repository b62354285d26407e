-- Where events go over HTTP, and of which types (a JSON list; empty is all). The secrets are sealed: the current one, and
-- the one of before, which signs as well until previous_until.
CREATE TABLE webhooks (
    id              uuid        PRIMARY KEY,
    url             text        NOT NULL,
    description     text        NOT NULL,
    event_types     jsonb       NOT NULL,
    is_active       boolean     NOT NULL,
    disabled_at     timestamptz,
    disabled_reason text,
    failing_since   timestamptz,
    failed_at       timestamptz,
    secret          bytea       NOT NULL,
    previous_secret bytea,
    previous_until  timestamptz,
    version         bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);

-- The list, the newest first.
CREATE INDEX webhooks_created_at_idx ON webhooks (created_at, id);

-- What workers deliver to, a hundred at most.
CREATE INDEX webhooks_active_idx ON webhooks (id) WHERE is_active;

-- Attempts at deliveries, kept for a while: when, of which event, and what came of it.
CREATE TABLE webhooks_deliveries (
    id           uuid        PRIMARY KEY,
    webhook_id   uuid        NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id     uuid        NOT NULL,
    event_type   text        NOT NULL,
    attempted_at timestamptz NOT NULL,
    duration_ms  bigint      NOT NULL,
    status       integer,
    fault        text
);

-- The log of one webhook, the newest first, and what goes with it.
CREATE INDEX webhooks_deliveries_webhook_id_idx ON webhooks_deliveries (webhook_id, attempted_at, id);

-- What is no longer kept.
CREATE INDEX webhooks_deliveries_attempted_at_idx ON webhooks_deliveries (attempted_at);
