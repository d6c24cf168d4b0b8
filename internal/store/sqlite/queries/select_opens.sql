-- The open times between two, oldest first.
SELECT open_time FROM candles
WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
    AND open_time BETWEEN ?4 AND ?5
ORDER BY open_time
