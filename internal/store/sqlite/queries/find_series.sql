-- The id of a series.
SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3)
