-- Which messages from outside were handled, in the transaction of their effect, so that one that comes again has none.
CREATE TABLE gatehouse_event_received (
    receiver   TEXT    NOT NULL,
    message_id TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (receiver, message_id)
) STRICT;

-- Retention deletes the oldest.
CREATE INDEX gatehouse_event_received_at_idx ON gatehouse_event_received (at);
