-- The same as lock_series.sql for who confirms nothing: many may write at the same time.
SELECT i.nr, coalesce(s.confirmed_from, 1), coalesce(s.confirmed_to, 0)
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (exchange, symbol, timeframe, nr)
JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
ORDER BY i.nr
FOR SHARE OF s
