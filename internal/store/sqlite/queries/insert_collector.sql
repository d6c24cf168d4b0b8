-- A new wanted collector; no row comes back when another of the same key is wanted.
INSERT INTO collectors (exchange, symbol, timeframe, since, wanted, status, pid, started_at, stopped_at,
    host, instance, boot_id, pid_namespace, start_ticks, run_id, restarts, last_error,
    next_attempt, last_exit_at, last_exit_known, last_exit_code, last_exit_signal, last_exit_reason)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)
ON CONFLICT DO NOTHING
RETURNING id, revision
