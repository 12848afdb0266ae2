-- The newest version of each document.
CREATE TABLE documents (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    version BIGINT NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Every version of each document, with who made it.
CREATE TABLE versions (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    version BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    body    BYTEA NOT NULL,
    PRIMARY KEY (kind, id, version)
);

-- Answers to requests that carried an Idempotency-Key.
CREATE TABLE answers (
    credential TEXT NOT NULL,
    key        TEXT NOT NULL,
    body       BYTEA NOT NULL,
    status     INTEGER NOT NULL,
    answer     BYTEA NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (credential, key)
);
CREATE INDEX answers_at ON answers (at);
