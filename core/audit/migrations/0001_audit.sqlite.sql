-- Who did what, when and from where, and how it ended: written in the transaction of its cause, or by itself where something
-- was refused. The id is of the time. number is the order of the seals: a worker gives it once the row is committed. What
-- tells about a person can go, since mac covers its salted digest alone.
CREATE TABLE gatehouse_audit (
    id            TEXT        PRIMARY KEY,
    number        INTEGER,
    occurred_at   INTEGER NOT NULL,
    action        TEXT        NOT NULL,
    outcome       TEXT        NOT NULL,
    reason        TEXT,
    actor_kind    TEXT        NOT NULL,
    actor         TEXT,
    target        TEXT,
    count         INTEGER      NOT NULL,
    details       TEXT        NOT NULL,
    ip            TEXT,
    user_agent    TEXT,
    client_salt   BLOB,
    client_digest BLOB,
    email         TEXT,
    email_salt    BLOB,
    email_digest  BLOB,
    mac           BLOB       NOT NULL
) STRICT;

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
    singleton   INTEGER PRIMARY KEY CHECK (singleton = 1),
    last_number INTEGER  NOT NULL,
    seals       INTEGER  NOT NULL,
    dropped     INTEGER  NOT NULL,
    digest      BLOB,
    signature   BLOB
) STRICT;

INSERT INTO gatehouse_audit_head (singleton, last_number, seals, dropped) VALUES (1, 0, 0, 0);

-- One for each batch of rows, signed over all of them and the one before. It stays when its rows go, without their entries.
CREATE TABLE gatehouse_audit_seals (
    number         INTEGER      PRIMARY KEY,
    first_number   INTEGER      NOT NULL,
    last_number    INTEGER      NOT NULL,
    newest_at      INTEGER NOT NULL,
    sealed_at      INTEGER NOT NULL,
    previous       BLOB,
    entries        BLOB,
    entries_digest BLOB       NOT NULL,
    signature      BLOB       NOT NULL,
    dropped_at     INTEGER,
    drop_signature BLOB
) STRICT;

-- Whose personal data were taken out, so that nobody else's go unseen.
CREATE TABLE gatehouse_audit_erasures (
    account   TEXT        PRIMARY KEY,
    erased_at INTEGER NOT NULL,
    mac       BLOB       NOT NULL
) STRICT;

-- Those of the last hours, about whom something may still come in, and those whose rows are all gone.
CREATE INDEX gatehouse_audit_erasures_erased_at_idx ON gatehouse_audit_erasures (erased_at);
