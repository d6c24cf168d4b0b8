-- Which part of a series is confirmed: read again from the exchange's history well after its candles had
-- closed. Open times in epoch milliseconds, both included; NULL while nothing is.

-- +goose Up
ALTER TABLE series ADD COLUMN confirmed_from INTEGER;
ALTER TABLE series ADD COLUMN confirmed_to   INTEGER;

-- +goose Down
ALTER TABLE series DROP COLUMN confirmed_from;
ALTER TABLE series DROP COLUMN confirmed_to;
