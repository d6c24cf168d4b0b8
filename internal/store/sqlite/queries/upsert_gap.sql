-- Replaces a row of the ledger by series and from_time, unless it is repaired and the new one would call
-- missing what is all stored: ?8 candles, each ?7 milliseconds after the other.
INSERT INTO gaps (series_id, from_time, to_time, state, proofs, checked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET
    to_time = excluded.to_time, state = excluded.state, proofs = excluded.proofs, checked_at = excluded.checked_at
WHERE gaps.state <> 'repaired' OR excluded.state = 'repaired' OR ?8 > (
    SELECT count(*) FROM candles WHERE series_id = ?1 AND open_time BETWEEN ?2 AND ?3 AND (open_time - ?2) % ?7 = 0)
