-- The newest version of each FHIR resource, deleted ones included. A row keeps
-- its number for ever. written grows with every write; lag is by how much it is
-- ahead of the time of the change. What a resource is found by is in keys.
CREATE TABLE resources (
    rid     INTEGER PRIMARY KEY,
    type    INTEGER NOT NULL,
    id      BYTEA NOT NULL,
    version BIGINT NOT NULL,
    written BIGINT NOT NULL,
    lag     BIGINT NOT NULL,
    state   INTEGER NOT NULL,
    actor   INTEGER NOT NULL,
    owner   INTEGER NOT NULL,
    keys    BYTEA NOT NULL,
    body    BYTEA NOT NULL
);
CREATE UNIQUE INDEX resources_id ON resources (type, id);
CREATE INDEX resources_written ON resources (type, written);

-- Versions that were replaced.
CREATE TABLE resource_versions (
    rid     BIGINT NOT NULL,
    version BIGINT NOT NULL,
    type    INTEGER NOT NULL,
    written BIGINT NOT NULL,
    lag     BIGINT NOT NULL,
    state   INTEGER NOT NULL,
    actor   INTEGER NOT NULL,
    owner   INTEGER NOT NULL,
    body    BYTEA NOT NULL
);
CREATE UNIQUE INDEX resource_versions_rid ON resource_versions (rid, version);
CREATE INDEX resource_versions_written ON resource_versions (type, written);

-- Which resources have a token: rid is the first, more are the others, as
-- distances. All of a row lie in one block of numbers.
CREATE TABLE postings (
    token BIGINT NOT NULL,
    rid   BIGINT NOT NULL,
    more  BYTEA NOT NULL,
    PRIMARY KEY (token, rid)
) WITHOUT ROWID;

-- Values with an order. The last bits of param say how far hi is from lo, or
-- that the row is sorted by hi.
CREATE TABLE spans (
    param BIGINT NOT NULL,
    lo    BIGINT NOT NULL,
    hi    BIGINT NOT NULL,
    rid   BIGINT NOT NULL,
    PRIMARY KEY (param, lo, rid, hi)
) WITHOUT ROWID;

-- Timelines.
CREATE TABLE timelines (
    line BIGINT NOT NULL,
    at   BIGINT NOT NULL,
    rid  BIGINT NOT NULL,
    PRIMARY KEY (line, at, rid)
) WITHOUT ROWID;

-- Words that rows name by number: types, actors, owners.
CREATE TABLE resource_words (
    no   INTEGER PRIMARY KEY,
    word TEXT NOT NULL UNIQUE
);

-- The last numbers that were given, in the one row whose lock lets one group of
-- writes run at a time. What was written up to indexed is in the tables above;
-- of newer resources it may still be missing.
CREATE TABLE resource_clock (
    one     INTEGER PRIMARY KEY,
    rid     BIGINT NOT NULL,
    written BIGINT NOT NULL,
    lag     BIGINT NOT NULL,
    word    BIGINT NOT NULL,
    indexed BIGINT NOT NULL
);
INSERT INTO resource_clock (one, rid, written, lag, word, indexed) VALUES (0, 0, 0, 0, 0, 0);
