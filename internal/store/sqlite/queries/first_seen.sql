-- The oldest of the newest ?4 candles of a series.
SELECT min(open_time) FROM (
    SELECT open_time FROM candles
    WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
    ORDER BY open_time DESC
    LIMIT ?4
)
