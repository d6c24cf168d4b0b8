-- Locks series, always in the same order, before any of their candles: who confirms something keeps others
-- from writing at the same time what was said before. Gives what is confirmed, from 1 to 0 for nothing.
SELECT i.nr, coalesce(s.confirmed_from, 1), coalesce(s.confirmed_to, 0)
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (exchange, symbol, timeframe, nr)
JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
ORDER BY i.nr
FOR NO KEY UPDATE OF s
