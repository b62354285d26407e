-- What happened, written in the transaction of its cause. position is the order of writing. number is the order of delivery:
-- a worker gives it once the row is committed, so that no lower number ever appears later. What is personal stands apart,
-- and goes with the account.
CREATE TABLE gatehouse_events (
    position    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    number      bigint,
    id          uuid        NOT NULL,
    type        text        NOT NULL,
    source      text        NOT NULL,
    subject     uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    data        jsonb       NOT NULL,
    personal    jsonb,
    traceparent text
);

-- Relays read on from a number, and retention from the lowest.
CREATE UNIQUE INDEX gatehouse_events_number_key ON gatehouse_events (number);

-- Operators name an event by its id.
CREATE UNIQUE INDEX gatehouse_events_id_key ON gatehouse_events (id);

-- What is personal goes with its account.
CREATE INDEX gatehouse_events_subject_idx ON gatehouse_events (subject, position);

-- What was committed and has no number yet, in the order of writing.
CREATE INDEX gatehouse_events_unnumbered_idx ON gatehouse_events (number, position) WHERE number IS NULL;

-- The number that was given last. Its row is locked by whoever gives more.
CREATE TABLE gatehouse_event_order (
    singleton integer PRIMARY KEY CHECK (singleton = 1),
    last      bigint  NOT NULL
);

INSERT INTO gatehouse_event_order (singleton, last) VALUES (1, 0);

-- Where events go. Every event up to read_to is delivered, not wanted, or has a row in gatehouse_event_deliveries.
CREATE TABLE gatehouse_event_destinations (
    name        text        PRIMARY KEY,
    read_to     bigint      NOT NULL,
    lease_owner text,
    lease_until timestamptz,
    failures    integer     NOT NULL,
    retry_at    timestamptz,
    seen_at     timestamptz NOT NULL
);

-- What was read and is not delivered: due again at due_at, waiting for an earlier one of its subject (no due_at), or dead.
CREATE TABLE gatehouse_event_deliveries (
    number      bigint      NOT NULL REFERENCES gatehouse_events (number) ON DELETE CASCADE,
    destination text        NOT NULL REFERENCES gatehouse_event_destinations (name) ON DELETE CASCADE,
    subject     uuid        NOT NULL,
    attempts    integer     NOT NULL,
    due_at      timestamptz,
    dead_at     timestamptz,
    error       text,
    PRIMARY KEY (destination, number)
);

-- Retention asks whether anything of an event is still open.
CREATE INDEX gatehouse_event_deliveries_number_idx ON gatehouse_event_deliveries (number);

-- What is to be tried again now.
CREATE INDEX gatehouse_event_deliveries_due_idx ON gatehouse_event_deliveries (destination, due_at) WHERE due_at IS NOT NULL;

-- Whether an earlier event of the same account is in the way, and which is next.
CREATE INDEX gatehouse_event_deliveries_open_idx ON gatehouse_event_deliveries (destination, subject, number) WHERE dead_at IS NULL;

-- What was set aside.
CREATE INDEX gatehouse_event_deliveries_dead_idx ON gatehouse_event_deliveries (destination, number) WHERE dead_at IS NOT NULL;
