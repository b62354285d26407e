-- Which messages from outside were handled, in the transaction of their effect, so that one that comes again has none.
CREATE TABLE gatehouse_event_received (
    receiver   text        NOT NULL,
    message_id text        NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (receiver, message_id)
);

-- Retention deletes the oldest.
CREATE INDEX gatehouse_event_received_at_idx ON gatehouse_event_received (at);
