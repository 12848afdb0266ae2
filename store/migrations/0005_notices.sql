-- How far each FHIR subscription is: the number of its newest event, and of the
-- newest that was delivered. holder is the process that delivers until then.
CREATE TABLE notice_lines (
    subscription TEXT PRIMARY KEY,
    since        BIGINT NOT NULL,
    started      BIGINT NOT NULL,
    events       BIGINT NOT NULL,
    delivered    BIGINT NOT NULL,
    holder       TEXT NOT NULL,
    until        BIGINT NOT NULL
);

-- The events of subscriptions.
CREATE TABLE notices (
    subscription TEXT NOT NULL,
    number       BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    type         TEXT NOT NULL,
    id           TEXT NOT NULL,
    version      BIGINT NOT NULL,
    cause        TEXT NOT NULL,
    PRIMARY KEY (subscription, number)
) WITHOUT ROWID;

-- Up to where events were made of each source: the record, and the partitions of
-- the journal.
CREATE TABLE notice_places (
    source TEXT PRIMARY KEY,
    place  BIGINT NOT NULL
);
