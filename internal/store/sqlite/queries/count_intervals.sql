-- In how many intervals of ?6 milliseconds a candle opened, between two times.
SELECT count(DISTINCT open_time - (open_time % ?6 + ?6) % ?6) FROM candles
WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
    AND open_time BETWEEN ?4 AND ?5
