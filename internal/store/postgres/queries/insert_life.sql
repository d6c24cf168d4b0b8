-- A life that has ended, if its collector exists and the life is not stored. The lock keeps the
-- collector from being removed meanwhile.
INSERT INTO lives (collector_id, run_id, pid, host, started_at, exit_at, exit_known, exit_code, exit_signal, exit_reason)
SELECT id, $2, $3::integer, $4, $5::timestamptz, $6::timestamptz, $7::boolean, $8::integer, $9::integer, $10
FROM collectors WHERE id = $1 FOR KEY SHARE
ON CONFLICT DO NOTHING
