-- For each stretch from $4 to $5: in how many intervals of $6 milliseconds a candle opened.
SELECT c.intervals
FROM unnest($4::bigint[], $5::bigint[]) WITH ORDINALITY AS i (first, last, nr)
CROSS JOIN LATERAL (
    SELECT count(DISTINCT open_time - mod(mod(open_time, $6::bigint) + $6, $6)) AS intervals
    FROM candles
    WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = ($1, $2, $3))
        AND open_time BETWEEN i.first AND i.last
) AS c
ORDER BY i.nr
