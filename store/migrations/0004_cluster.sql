-- Several processes on one database. The process that holds a partition writes
-- it, with the epoch of its lease; cut counts how often that was done, and at is
-- when it was done last.
ALTER TABLE positions ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN cut BIGINT NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN at BIGINT NOT NULL DEFAULT 0;

-- Where in the journal a reattribution is, and when something last followed it.
ALTER TABLE moves ADD COLUMN part INTEGER NOT NULL DEFAULT -1;
ALTER TABLE moves ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
ALTER TABLE moves ADD COLUMN carried BIGINT NOT NULL DEFAULT 0;

CREATE INDEX series_part ON series (part);
