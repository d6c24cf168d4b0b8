-- What makes several veladors on one registry safe: a revision of each row, the version of the whole
-- table, how the lives of processes ended, and the leases of the installations. The contract's seven
-- columns of collectors stay as they are.

-- +goose Up
ALTER TABLE collectors
    ADD COLUMN revision         bigint  NOT NULL DEFAULT 1,
    ADD COLUMN next_attempt     timestamptz,
    ADD COLUMN last_exit_at     timestamptz,
    ADD COLUMN last_exit_known  boolean NOT NULL DEFAULT false,
    ADD COLUMN last_exit_code   integer NOT NULL DEFAULT 0,
    ADD COLUMN last_exit_signal integer NOT NULL DEFAULT 0,
    ADD COLUMN last_exit_reason text    NOT NULL DEFAULT '';

-- Every change of a row, by hand too, is a new revision, so that nobody who read it before can
-- overwrite it unseen.
-- +goose StatementBegin
CREATE FUNCTION collectors_revise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER collectors_revise BEFORE UPDATE ON collectors
    FOR EACH ROW EXECUTE FUNCTION collectors_revise();

-- A row, not a sequence: its value becomes visible together with the change that it counts, so
-- whoever reads version N sees all rows of N.
CREATE TABLE registry_version (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint  NOT NULL
) WITH (fillfactor = 10); -- changed often: room on its page for the old ones
INSERT INTO registry_version (version) VALUES (1);

-- +goose StatementBegin
CREATE FUNCTION collectors_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE registry_version SET version = version + 1;
    ELSIF EXISTS (SELECT FROM changed) THEN
        UPDATE registry_version SET version = version + 1;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- A trigger with a transition table serves one event each.
CREATE TRIGGER collectors_count_insert AFTER INSERT ON collectors
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION collectors_count();
CREATE TRIGGER collectors_count_update AFTER UPDATE ON collectors
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION collectors_count();
CREATE TRIGGER collectors_count_delete AFTER DELETE ON collectors
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION collectors_count();
CREATE TRIGGER collectors_count_truncate AFTER TRUNCATE ON collectors
    FOR EACH STATEMENT EXECUTE FUNCTION collectors_count();

-- The id tells the order in which lives were saved, which no clock can turn round.
CREATE TABLE lives (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collector_id bigint  NOT NULL REFERENCES collectors (id) ON DELETE CASCADE,
    run_id       text    NOT NULL,
    pid          integer NOT NULL,
    host         text    NOT NULL,
    started_at   timestamptz,
    exit_at      timestamptz,
    exit_known   boolean NOT NULL,
    exit_code    integer NOT NULL,
    exit_signal  integer NOT NULL,
    exit_reason  text    NOT NULL,
    UNIQUE (collector_id, run_id)
);
CREATE INDEX lives_newest_idx ON lives (collector_id, id DESC);

-- Epochs come from one sequence for all, so that no lease gets again the epoch of one that was removed.
CREATE SEQUENCE lease_epochs;
CREATE TABLE leases (
    instance text        PRIMARY KEY,
    host     text        NOT NULL,
    epoch    bigint      NOT NULL,
    until    timestamptz NOT NULL
);

COMMENT ON COLUMN collectors.revision IS 'grows with every change of the row';
COMMENT ON COLUMN collectors.next_attempt IS 'when the next process is due while there is none';
COMMENT ON COLUMN collectors.last_exit_known IS 'false: the process is gone, and nobody saw how';
COMMENT ON TABLE registry_version IS 'grows with every change of collectors; kept by triggers';
COMMENT ON TABLE lives IS 'how the processes of a collector ended, in the order of their ids';
COMMENT ON TABLE leases IS 'installations that are alive, by the clock of the database';

-- +goose Down
DROP TABLE leases, lives;
DROP SEQUENCE lease_epochs;
DROP TRIGGER collectors_count_insert ON collectors;
DROP TRIGGER collectors_count_update ON collectors;
DROP TRIGGER collectors_count_delete ON collectors;
DROP TRIGGER collectors_count_truncate ON collectors;
DROP TRIGGER collectors_revise ON collectors;
DROP FUNCTION collectors_count(), collectors_revise();
DROP TABLE registry_version;
ALTER TABLE collectors
    DROP COLUMN revision, DROP COLUMN next_attempt, DROP COLUMN last_exit_at, DROP COLUMN last_exit_known,
    DROP COLUMN last_exit_code, DROP COLUMN last_exit_signal, DROP COLUMN last_exit_reason;
