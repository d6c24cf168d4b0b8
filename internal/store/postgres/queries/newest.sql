-- The newest stored open time of a series.
SELECT max(open_time) FROM candles
WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = ($1, $2, $3))
