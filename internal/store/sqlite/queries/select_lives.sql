-- The newest ?2 lives of a collector.
SELECT collector_id, run_id, pid, host, started_at, exit_at, exit_known, exit_code, exit_signal, exit_reason
FROM lives WHERE collector_id = ?1 ORDER BY id DESC LIMIT ?2
