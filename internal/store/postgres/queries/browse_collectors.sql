-- All records, for people: times are epoch milliseconds, and what is not known is NULL.
SELECT id::bigint AS id, nullif(pid, 0)::bigint AS pid, exchange, symbol, timeframe::text AS timeframe, status::text AS status,
    wanted::integer::bigint AS wanted, host,
    floor(extract(epoch FROM started_at) * 1000)::bigint AS started_at,
    floor(extract(epoch FROM stopped_at) * 1000)::bigint AS stopped_at,
    floor(extract(epoch FROM next_attempt) * 1000)::bigint AS next_attempt,
    restarts::bigint AS restarts, nullif(since, 0) AS since, last_error,
    floor(extract(epoch FROM last_exit_at) * 1000)::bigint AS last_exit_at,
    CASE WHEN last_exit_known AND last_exit_signal = 0 THEN last_exit_code END::bigint AS last_exit_code,
    CASE WHEN last_exit_known THEN nullif(last_exit_signal, 0) END::bigint AS last_exit_signal,
    last_exit_reason
FROM collectors
