-- Candles, the series they form, and the ledger of gaps. Times are epoch milliseconds, UTC, as the
-- exchanges name them. Decimals are text, digit for digit as sent; NULL means that the venue does
-- not say. STRICT keeps SQLite from making floats of them. WITHOUT ROWID keeps a series' candles
-- together in the order of their open times, in one b-tree instead of two.

-- +goose Up
CREATE TABLE IF NOT EXISTS series (
    id        INTEGER PRIMARY KEY,
    exchange  TEXT NOT NULL,
    symbol    TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    UNIQUE (exchange, symbol, timeframe)
) STRICT;

CREATE TABLE IF NOT EXISTS candles (
    series_id              INTEGER NOT NULL,
    open_time              INTEGER NOT NULL,
    close_time             INTEGER NOT NULL,
    trades                 INTEGER NOT NULL,
    open                   TEXT,
    high                   TEXT,
    low                    TEXT,
    close                  TEXT,
    volume                 TEXT,
    quote_volume           TEXT,
    taker_buy_volume       TEXT,
    taker_buy_quote_volume TEXT,
    PRIMARY KEY (series_id, open_time)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS gaps (
    series_id  INTEGER NOT NULL REFERENCES series,
    from_time  INTEGER NOT NULL,
    to_time    INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    proofs     INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    PRIMARY KEY (series_id, from_time)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE gaps;
DROP TABLE candles;
DROP TABLE series;
