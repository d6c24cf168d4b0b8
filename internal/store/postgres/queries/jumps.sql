-- Neighbours among the newest $4 candles of a series between which a candle is missing: the grid
-- step after the first one ($5 milliseconds) lies before the step that holds the second.
SELECT after, before FROM (
    SELECT lag(open_time) OVER (ORDER BY open_time) AS after, open_time AS before
    FROM (
        SELECT open_time FROM candles
        WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = ($1, $2, $3))
        ORDER BY open_time DESC
        LIMIT $4::bigint
    ) AS newest
) AS neighbours
WHERE before - mod(mod(before, $5::bigint) + $5, $5) > after - mod(mod(after, $5) + $5, $5) + $5
ORDER BY after
