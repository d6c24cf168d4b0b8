-- Replaces rows of the ledger by series and from_time.
INSERT INTO gaps (series_id, from_time, to_time, state, proofs, checked_at)
SELECT s.id, i.from_time, i.to_time, i.state, i.proofs, i.checked_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::integer[], $8::bigint[])
    AS i (exchange, symbol, timeframe, from_time, to_time, state, proofs, checked_at)
JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
ON CONFLICT (series_id, from_time) DO UPDATE SET
    to_time = excluded.to_time, state = excluded.state, proofs = excluded.proofs, checked_at = excluded.checked_at
