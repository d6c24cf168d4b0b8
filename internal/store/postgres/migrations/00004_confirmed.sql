-- Which part of a series is confirmed: read again from the exchange's history well after its candles had
-- closed. Open times in epoch milliseconds, both included; NULL while nothing is.

-- +goose Up
ALTER TABLE series
    ADD COLUMN confirmed_from bigint,
    ADD COLUMN confirmed_to   bigint;

COMMENT ON COLUMN series.confirmed_to IS 'candles that opened later are provisional: the stream said them';

-- +goose Down
ALTER TABLE series DROP COLUMN confirmed_from, DROP COLUMN confirmed_to;
