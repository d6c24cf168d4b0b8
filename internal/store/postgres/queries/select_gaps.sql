-- The ledger's rows of a series that touch the stretch from $4 to $5, of one state or ('') of all.
SELECT from_time, to_time, state, proofs, checked_at FROM gaps
WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = ($1, $2, $3))
    AND from_time <= $5 AND to_time >= $4 AND ($6 = '' OR state = $6)
ORDER BY from_time
