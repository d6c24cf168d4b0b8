-- Everything of a collector but its id and what it collects, if its revision is ?2 still.
UPDATE collectors SET revision = revision + 1, wanted = ?3, status = ?4, pid = ?5, started_at = ?6, stopped_at = ?7,
    host = ?8, instance = ?9, boot_id = ?10, pid_namespace = ?11, start_ticks = ?12, run_id = ?13,
    restarts = ?14, last_error = ?15,
    next_attempt = ?16, last_exit_at = ?17, last_exit_known = ?18, last_exit_code = ?19, last_exit_signal = ?20, last_exit_reason = ?21
WHERE id = ?1 AND revision = ?2
