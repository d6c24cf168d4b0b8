-- For each series: its id, and whether candles are stored between two open times.
SELECT s.id, EXISTS (
    SELECT FROM candles c WHERE c.series_id = s.id AND c.open_time BETWEEN i.first AND i.last)
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
    WITH ORDINALITY AS i (exchange, symbol, timeframe, first, last, nr)
JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
ORDER BY i.nr
