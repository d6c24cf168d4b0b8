-- A life that has ended, if its collector exists and the life is not stored.
INSERT INTO lives (collector_id, run_id, pid, host, started_at, exit_at, exit_known, exit_code, exit_signal, exit_reason)
SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM collectors WHERE id = ?1
ON CONFLICT DO NOTHING
