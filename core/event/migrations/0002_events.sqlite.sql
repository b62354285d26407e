-- What happened, written in the transaction of its cause. position is the order of writing. number is the order of delivery:
-- a worker gives it once the row is committed, so that no lower number ever appears later. What is personal stands apart,
-- and goes with the account.
CREATE TABLE gatehouse_events (
    position    INTEGER PRIMARY KEY,
    number      INTEGER,
    id          TEXT NOT NULL,
    type        TEXT NOT NULL,
    source      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    data        TEXT NOT NULL,
    personal    TEXT,
    traceparent TEXT
) STRICT;

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
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    last      INTEGER NOT NULL
) STRICT;

INSERT INTO gatehouse_event_order (singleton, last) VALUES (1, 0);

-- Where events go. Every event up to read_to is delivered, not wanted, or has a row in gatehouse_event_deliveries.
CREATE TABLE gatehouse_event_destinations (
    name        TEXT PRIMARY KEY,
    read_to     INTEGER NOT NULL,
    lease_owner TEXT,
    lease_until INTEGER,
    failures    INTEGER NOT NULL,
    retry_at    INTEGER,
    seen_at     INTEGER NOT NULL
) STRICT;

-- What was read and is not delivered: due again at due_at, waiting for an earlier one of its subject (no due_at), or dead.
CREATE TABLE gatehouse_event_deliveries (
    number      INTEGER NOT NULL REFERENCES gatehouse_events (number) ON DELETE CASCADE,
    destination TEXT NOT NULL REFERENCES gatehouse_event_destinations (name) ON DELETE CASCADE,
    subject     TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    due_at      INTEGER,
    dead_at     INTEGER,
    error       TEXT,
    PRIMARY KEY (destination, number)
) STRICT;

-- Retention asks whether anything of an event is still open.
CREATE INDEX gatehouse_event_deliveries_number_idx ON gatehouse_event_deliveries (number);

-- What is to be tried again now.
CREATE INDEX gatehouse_event_deliveries_due_idx ON gatehouse_event_deliveries (destination, due_at) WHERE due_at IS NOT NULL;

-- Whether an earlier event of the same account is in the way, and which is next.
CREATE INDEX gatehouse_event_deliveries_open_idx ON gatehouse_event_deliveries (destination, subject, number) WHERE dead_at IS NULL;

-- What was set aside.
CREATE INDEX gatehouse_event_deliveries_dead_idx ON gatehouse_event_deliveries (destination, number) WHERE dead_at IS NOT NULL;
