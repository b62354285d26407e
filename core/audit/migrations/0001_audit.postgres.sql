-- Who did what, when and from where, and how it ended: written in the transaction of its cause, or by itself where something
-- was refused. The id is of the time. number is the order of the seals: a worker gives it once the row is committed. What
-- tells about a person can go, since mac covers its salted digest alone.
CREATE TABLE gatehouse_audit (
    id            uuid        PRIMARY KEY,
    number        bigint,
    occurred_at   timestamptz NOT NULL,
    action        text        NOT NULL,
    outcome       text        NOT NULL,
    reason        text,
    actor_kind    text        NOT NULL,
    actor         uuid,
    target        uuid,
    count         bigint      NOT NULL,
    details       text        NOT NULL,
    ip            text,
    user_agent    text,
    client_salt   bytea,
    client_digest bytea,
    email         text,
    email_salt    bytea,
    email_digest  bytea,
    mac           bytea       NOT NULL
);

-- The rows of a seal, and no number twice.
CREATE UNIQUE INDEX gatehouse_audit_number_key ON gatehouse_audit (number) WHERE number IS NOT NULL;

-- What was committed and is not sealed yet.
CREATE INDEX gatehouse_audit_unsealed_idx ON gatehouse_audit (number, id) WHERE number IS NULL;

-- What somebody did, and whose address goes with an account.
CREATE INDEX gatehouse_audit_actor_idx ON gatehouse_audit (actor, id) WHERE actor IS NOT NULL;

-- What was done to somebody, and whose address goes with an account.
CREATE INDEX gatehouse_audit_target_idx ON gatehouse_audit (target, id) WHERE target IS NOT NULL;

-- Where somebody looks for one kind of act among all.
CREATE INDEX gatehouse_audit_action_idx ON gatehouse_audit (action, id);

-- What came from an address that attacks.
CREATE INDEX gatehouse_audit_ip_idx ON gatehouse_audit (ip, id) WHERE ip IS NOT NULL;

-- What was not done, which is little among much.
CREATE INDEX gatehouse_audit_outcome_idx ON gatehouse_audit (outcome, id) WHERE outcome <> 'done';

-- The end of the chain of seals. Its row is locked by whoever adds to it.
CREATE TABLE gatehouse_audit_head (
    singleton   integer PRIMARY KEY CHECK (singleton = 1),
    last_number bigint  NOT NULL,
    seals       bigint  NOT NULL,
    dropped     bigint  NOT NULL,
    digest      bytea,
    signature   bytea
);

INSERT INTO gatehouse_audit_head (singleton, last_number, seals, dropped) VALUES (1, 0, 0, 0);

-- One for each batch of rows, signed over all of them and the one before. It stays when its rows go, without their entries.
CREATE TABLE gatehouse_audit_seals (
    number         bigint      PRIMARY KEY,
    first_number   bigint      NOT NULL,
    last_number    bigint      NOT NULL,
    newest_at      timestamptz NOT NULL,
    sealed_at      timestamptz NOT NULL,
    previous       bytea,
    entries        bytea,
    entries_digest bytea       NOT NULL,
    signature      bytea       NOT NULL,
    dropped_at     timestamptz,
    drop_signature bytea
);

-- Whose personal data were taken out, so that nobody else's go unseen.
CREATE TABLE gatehouse_audit_erasures (
    account   uuid        PRIMARY KEY,
    erased_at timestamptz NOT NULL,
    mac       bytea       NOT NULL
);

-- Those of the last hours, about whom something may still come in, and those whose rows are all gone.
CREATE INDEX gatehouse_audit_erasures_erased_at_idx ON gatehouse_audit_erasures (erased_at);
