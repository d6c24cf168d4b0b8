-- For each stretch from $4 to $5: how many candles opened in it, and how many of them off the grid of
-- $6 milliseconds. A range of the index for each stretch.
SELECT c.opened, c.off_grid
FROM unnest($4::bigint[], $5::bigint[]) WITH ORDINALITY AS i (first, last, nr)
CROSS JOIN LATERAL (
    SELECT count(*) AS opened, count(*) FILTER (WHERE mod(open_time, $6::bigint) <> 0) AS off_grid
    FROM candles
    WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = ($1, $2, $3))
        AND open_time BETWEEN i.first AND i.last
) AS c
ORDER BY i.nr
