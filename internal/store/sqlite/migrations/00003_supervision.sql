-- What makes several processes on one registry safe: a revision of each row, the version of the whole
-- table, how the lives of processes ended, and the leases of the installations. The contract's seven
-- columns of collectors stay as they are.
--
-- ADD COLUMN knows no IF NOT EXISTS: of two processes that find this step pending the second one
-- fails, and finds it done when it looks again (migrate.go).

-- +goose Up
ALTER TABLE collectors ADD COLUMN revision         INTEGER NOT NULL DEFAULT 1;
ALTER TABLE collectors ADD COLUMN next_attempt     TEXT;
ALTER TABLE collectors ADD COLUMN last_exit_at     TEXT;
ALTER TABLE collectors ADD COLUMN last_exit_known  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collectors ADD COLUMN last_exit_code   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collectors ADD COLUMN last_exit_signal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collectors ADD COLUMN last_exit_reason TEXT    NOT NULL DEFAULT '';

-- Grows with every change of collectors, in the transaction of the change: whoever reads version N
-- sees all rows of N.
CREATE TABLE registry_version (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO registry_version (one, version) VALUES (1, 1);

-- Every change of a row, by hand too, is a new revision, so that nobody who read it before can
-- overwrite it unseen. velador's own statements set it themselves, which spares the second update.
-- +goose StatementBegin
CREATE TRIGGER collectors_revise AFTER UPDATE ON collectors WHEN NEW.revision = OLD.revision
BEGIN
    UPDATE collectors SET revision = OLD.revision + 1 WHERE id = NEW.id;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER collectors_count_insert AFTER INSERT ON collectors
BEGIN
    UPDATE registry_version SET version = version + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER collectors_count_update AFTER UPDATE ON collectors WHEN NEW.revision <> OLD.revision
BEGIN
    UPDATE registry_version SET version = version + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER collectors_count_delete AFTER DELETE ON collectors
BEGIN
    UPDATE registry_version SET version = version + 1;
END;
-- +goose StatementEnd

-- The id tells the order in which lives were saved, which no clock can turn round.
CREATE TABLE lives (
    id           INTEGER PRIMARY KEY,
    collector_id INTEGER NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    run_id       TEXT    NOT NULL,
    pid          INTEGER NOT NULL,
    host         TEXT    NOT NULL,
    started_at   TEXT,
    exit_at      TEXT,
    exit_known   INTEGER NOT NULL,
    exit_code    INTEGER NOT NULL,
    exit_signal  INTEGER NOT NULL,
    exit_reason  TEXT    NOT NULL,
    UNIQUE (collector_id, run_id)
) STRICT;
CREATE INDEX lives_newest_idx ON lives (collector_id, id DESC);

-- Times of leases are epoch milliseconds by SQLite's clock, which is the machine's.
CREATE TABLE leases (
    instance TEXT    PRIMARY KEY,
    host     TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Epochs come from one counter for all, so that no lease gets again the epoch of one that was removed.
CREATE TABLE lease_epochs (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO lease_epochs (one, last) VALUES (1, 0);

-- +goose Down
DROP TABLE lease_epochs;
DROP TABLE leases;
DROP TABLE lives;
DROP TRIGGER collectors_count_insert;
DROP TRIGGER collectors_count_update;
DROP TRIGGER collectors_count_delete;
DROP TRIGGER collectors_revise;
DROP TABLE registry_version;
ALTER TABLE collectors DROP COLUMN revision;
ALTER TABLE collectors DROP COLUMN next_attempt;
ALTER TABLE collectors DROP COLUMN last_exit_at;
ALTER TABLE collectors DROP COLUMN last_exit_known;
ALTER TABLE collectors DROP COLUMN last_exit_code;
ALTER TABLE collectors DROP COLUMN last_exit_signal;
ALTER TABLE collectors DROP COLUMN last_exit_reason;
