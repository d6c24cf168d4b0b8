-- The oldest and the newest stored open time between two. SQLite looks up an end of the index for
-- each alone; for both in one SELECT it would read all that lies between.
SELECT
    (SELECT min(open_time) FROM candles
        WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
            AND open_time BETWEEN ?4 AND ?5),
    (SELECT max(open_time) FROM candles
        WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
            AND open_time BETWEEN ?4 AND ?5)
