-- Gives series an id that have none. Those that have one are left out first, because ON CONFLICT
-- alone would use up a number of the sequence each time.
INSERT INTO series (exchange, symbol, timeframe)
SELECT i.exchange, i.symbol, i.timeframe
FROM unnest($1::text[], $2::text[], $3::text[]) AS i (exchange, symbol, timeframe)
WHERE NOT EXISTS (
    SELECT FROM series s
    WHERE (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe))
ON CONFLICT DO NOTHING
