-- The registry of collectors. Its first seven columns, and the two indexes, are a contract with
-- programs that read it. A table of an older deployment, which has only those, is kept with all
-- its rows: what it lacks is added with defaults that are true of it (it knew one exchange, and
-- nobody told us to run its collectors: wanted is false).

-- +goose Up
CREATE TABLE IF NOT EXISTS collectors (
    id         serial PRIMARY KEY,
    pid        integer,
    timeframe  varchar(10) NOT NULL,
    symbol     text NOT NULL,
    status     varchar(20) NOT NULL DEFAULT 'running',
    started_at timestamptz DEFAULT now(),
    stopped_at timestamptz
);

-- A selector may be far longer than the symbol that an older table had room for; a process that
-- is still being started has no PID.
ALTER TABLE collectors
    ALTER COLUMN symbol TYPE text,
    ALTER COLUMN pid DROP NOT NULL,
    ALTER COLUMN started_at DROP NOT NULL,
    ALTER COLUMN stopped_at DROP NOT NULL;

-- An older table may keep its times without a zone; they were meant as UTC.
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT attname FROM pg_attribute
        WHERE attrelid = 'collectors'::regclass AND attname IN ('started_at', 'stopped_at')
          AND atttypid = 'timestamp'::regtype
    LOOP
        EXECUTE format('ALTER TABLE collectors ALTER COLUMN %1$I TYPE timestamptz USING %1$I AT TIME ZONE ''UTC''', name);
    END LOOP;
END
$$;
-- +goose StatementEnd

ALTER TABLE collectors
    ADD COLUMN IF NOT EXISTS exchange      text    NOT NULL DEFAULT 'binance',
    ADD COLUMN IF NOT EXISTS since         bigint  NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS wanted        boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS host          text    NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS instance      text    NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS boot_id       text    NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS pid_namespace text    NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS start_ticks   bigint  NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS run_id        text    NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS restarts      integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_error    text    NOT NULL DEFAULT '';

CREATE INDEX IF NOT EXISTS collectors_status_idx ON collectors (status);
CREATE INDEX IF NOT EXISTS collectors_pid_idx ON collectors (pid) WHERE status <> 'stopped';

-- A b-tree takes keys of up to 2,704 bytes, a selector has up to 16 KiB. Longer ones are not
-- looked up by symbol, so the contract's index leaves them out.
CREATE INDEX IF NOT EXISTS collectors_symbol_timeframe_idx ON collectors (symbol, timeframe)
    WHERE octet_length(symbol) <= 2000;

-- At most one wanted collector of a key, whoever asks and however many at once. For the same
-- reason it is the symbol's hash (64 bits) that is unique.
CREATE UNIQUE INDEX IF NOT EXISTS collectors_wanted_idx
    ON collectors (exchange, hashtextextended(symbol, 0), timeframe) WHERE wanted;

COMMENT ON TABLE collectors IS 'one row for each life of a collector process; symbol is its selector';
COMMENT ON COLUMN collectors.wanted IS 'desired state; status is what was seen';
COMMENT ON COLUMN collectors.since IS 'where a first back-fill begins, epoch milliseconds; 0: now';
