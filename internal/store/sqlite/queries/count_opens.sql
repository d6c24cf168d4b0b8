-- How many candles opened between two times, and how many of them off the grid of ?6 milliseconds.
SELECT count(*), count(CASE WHEN open_time % ?6 <> 0 THEN 1 END) FROM candles
WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
    AND open_time BETWEEN ?4 AND ?5
