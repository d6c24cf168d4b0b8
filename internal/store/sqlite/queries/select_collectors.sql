-- The columns of a record; a condition follows. Rows of an older deployment may lack a PID.
SELECT id, exchange, symbol, timeframe, since, wanted, status, coalesce(pid, 0), started_at, stopped_at,
    host, instance, boot_id, pid_namespace, start_ticks, run_id, restarts, last_error,
    next_attempt, last_exit_at, last_exit_known, last_exit_code, last_exit_signal, last_exit_reason, revision
FROM collectors
