-- Locks the series $1..$3, always in the same order, before any of their candles: who confirms something keeps
-- others from writing at the same time what was said before.
SELECT s.id
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (exchange, symbol, timeframe, nr)
JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
ORDER BY i.nr
FOR NO KEY UPDATE OF s
