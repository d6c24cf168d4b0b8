-- Replaces a row of the ledger by series and from_time.
INSERT INTO gaps (series_id, from_time, to_time, state, proofs, checked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET
    to_time = excluded.to_time, state = excluded.state, proofs = excluded.proofs, checked_at = excluded.checked_at
