-- Replaces rows of the ledger by series and from_time, unless one is repaired and the new one would call
-- missing what is all stored: $10 candles, each $9 milliseconds after the other.
INSERT INTO gaps (series_id, from_time, to_time, state, proofs, checked_at)
SELECT s.id, i.from_time, i.to_time, i.state, i.proofs, i.checked_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::integer[], $8::bigint[], $9::bigint[], $10::bigint[])
    AS i (exchange, symbol, timeframe, from_time, to_time, state, proofs, checked_at, step, steps)
JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
LEFT JOIN gaps g ON g.series_id = s.id AND g.from_time = i.from_time AND g.state = 'repaired' AND i.state <> 'repaired'
WHERE g.state IS NULL OR i.steps > (
    SELECT count(*) FROM candles c
    WHERE c.series_id = s.id AND c.open_time BETWEEN i.from_time AND i.to_time AND (c.open_time - i.from_time) % i.step = 0)
ON CONFLICT (series_id, from_time) DO UPDATE SET
    to_time = excluded.to_time, state = excluded.state, proofs = excluded.proofs, checked_at = excluded.checked_at
