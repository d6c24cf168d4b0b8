-- Everything of a collector but its id and what it collects.
UPDATE collectors SET wanted = ?2, status = ?3, pid = ?4, started_at = ?5, stopped_at = ?6,
    host = ?7, instance = ?8, boot_id = ?9, pid_namespace = ?10, start_ticks = ?11, run_id = ?12,
    restarts = ?13, last_error = ?14
WHERE id = ?1
