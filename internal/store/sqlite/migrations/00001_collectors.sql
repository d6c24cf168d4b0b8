-- The registry of collectors: the contract's seven columns first, then velador's own. Times are
-- UTC in RFC 3339 with milliseconds, which people can read and which sort as they should.
-- IF NOT EXISTS everywhere, because two processes may both find this step pending (migrate.go).

-- +goose Up
CREATE TABLE IF NOT EXISTS collectors (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    pid           INTEGER,
    timeframe     TEXT    NOT NULL,
    symbol        TEXT    NOT NULL,
    status        TEXT    NOT NULL DEFAULT 'running',
    started_at    TEXT    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    stopped_at    TEXT,
    exchange      TEXT    NOT NULL DEFAULT 'binance',
    since         INTEGER NOT NULL DEFAULT 0,
    wanted        INTEGER NOT NULL DEFAULT 0,
    host          TEXT    NOT NULL DEFAULT '',
    instance      TEXT    NOT NULL DEFAULT '',
    boot_id       TEXT    NOT NULL DEFAULT '',
    pid_namespace TEXT    NOT NULL DEFAULT '',
    start_ticks   INTEGER NOT NULL DEFAULT 0,
    run_id        TEXT    NOT NULL DEFAULT '',
    restarts      INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX IF NOT EXISTS collectors_status_idx ON collectors (status);
CREATE INDEX IF NOT EXISTS collectors_symbol_timeframe_idx ON collectors (symbol, timeframe);
CREATE INDEX IF NOT EXISTS collectors_pid_idx ON collectors (pid) WHERE status <> 'stopped';

-- At most one wanted collector of a key, whoever asks and however many at once.
CREATE UNIQUE INDEX IF NOT EXISTS collectors_wanted_idx ON collectors (exchange, symbol, timeframe) WHERE wanted;
