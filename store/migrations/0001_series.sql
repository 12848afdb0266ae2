-- How far each partition of the journal has been taken in: every frame up to
-- seq, and of the frame behind it the first items.
CREATE TABLE positions (
    part  INTEGER PRIMARY KEY,
    seq   BIGINT NOT NULL,
    items BIGINT NOT NULL
);

-- The dictionary of series. Ids are made from the other columns.
CREATE TABLE series (
    id      BIGINT PRIMARY KEY,
    part    INTEGER NOT NULL,
    subject TEXT NOT NULL,
    device  TEXT NOT NULL,
    channel TEXT NOT NULL,
    metric  TEXT NOT NULL
);

-- The open end of each series, written at each checkpoint. Keys are kept with
-- their top bit turned over, so that they sort as the unsigned numbers they are.
CREATE TABLE heads (
    series BIGINT PRIMARY KEY,
    kmax   BIGINT NOT NULL,
    kspan  BIGINT NOT NULL,
    tmax   BIGINT NOT NULL,
    tspan  BIGINT NOT NULL,
    sealed BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    latest BYTEA,
    data   BYTEA NOT NULL
);

-- Sealed runs of points. The table has a rowid and an index on purpose: a
-- table WITHOUT ROWID spills each chunk to pages of its own.
CREATE TABLE chunks (
    series BIGINT NOT NULL,
    t0     BIGINT NOT NULL,
    t1     BIGINT NOT NULL,
    no     BIGINT NOT NULL,
    kmin   BIGINT NOT NULL,
    kmax   BIGINT NOT NULL,
    n      INTEGER NOT NULL,
    data   BYTEA NOT NULL
);
CREATE UNIQUE INDEX chunks_time ON chunks (series, t0, t1, no);
CREATE INDEX chunks_key ON chunks (series, kmin, kmax);

-- Sealed runs of wave blocks.
CREATE TABLE waves (
    series BIGINT NOT NULL,
    t0     BIGINT NOT NULL,
    t1     BIGINT NOT NULL,
    no     BIGINT NOT NULL,
    kmin   BIGINT NOT NULL,
    kmax   BIGINT NOT NULL,
    n      INTEGER NOT NULL,
    data   BYTEA NOT NULL
);
CREATE UNIQUE INDEX waves_time ON waves (series, t0, t1, no);
CREATE INDEX waves_key ON waves (series, kmin, kmax);

-- Message ids whose readings have no other identity, with the journal position
-- of the message that came first.
CREATE TABLE seen (
    hash     BYTEA PRIMARY KEY,
    position BIGINT NOT NULL,
    arrived  BIGINT NOT NULL
);
CREATE INDEX seen_arrived ON seen (arrived);

-- Reattributions that have been carried out.
CREATE TABLE moves (
    id     TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    t0     BIGINT NOT NULL,
    t1     BIGINT NOT NULL,
    target TEXT NOT NULL,
    at     BIGINT NOT NULL
);
