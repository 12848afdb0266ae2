CREATE TABLE events (
    id          TEXT PRIMARY KEY,
    subject     TEXT NOT NULL,
    device      TEXT NOT NULL,
    type        TEXT NOT NULL,
    taken       BIGINT NOT NULL,
    part        INTEGER NOT NULL,
    position    BIGINT NOT NULL,
    quality     BIGINT NOT NULL,
    attribution INTEGER NOT NULL,
    data        BYTEA NOT NULL
);
CREATE INDEX events_subject ON events (subject, taken);
CREATE INDEX events_device ON events (device, taken);
CREATE INDEX events_taken ON events (taken);
CREATE INDEX events_position ON events (part, position);

-- Messages that nobody could understand. A row with a count above 1 is a group
-- of messages of one device with one reason.
CREATE TABLE quarantine (
    id      TEXT PRIMARY KEY,
    device  TEXT NOT NULL,
    profile TEXT NOT NULL,
    state   TEXT NOT NULL,
    count   BIGINT NOT NULL,
    first   BIGINT NOT NULL,
    last    BIGINT NOT NULL,
    closed  BIGINT NOT NULL,
    closer  TEXT NOT NULL,
    data    BYTEA NOT NULL,
    payload BYTEA NOT NULL
);
CREATE INDEX quarantine_device ON quarantine (device, state);
CREATE INDEX quarantine_state ON quarantine (state, id);
