-- The oldest and the newest stored open time between two; each is one look into the index.
SELECT min(open_time), max(open_time) FROM candles
WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = ($1, $2, $3))
    AND open_time BETWEEN $4 AND $5
