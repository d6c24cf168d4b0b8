-- The ledger of all series.
SELECT s.exchange, s.symbol, s.timeframe, g.from_time, g.to_time, g.state, g.proofs, nullif(g.checked_at, 0) AS checked_at
FROM gaps g JOIN series s ON s.id = g.series_id
