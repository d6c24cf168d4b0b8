-- All records, for people: times are epoch milliseconds, and what is not known is NULL.
SELECT id, nullif(pid, 0) AS pid, exchange, symbol, timeframe, status, wanted, host,
    CAST(round(unixepoch(started_at, 'subsec') * 1000) AS INTEGER) AS started_at,
    CAST(round(unixepoch(stopped_at, 'subsec') * 1000) AS INTEGER) AS stopped_at,
    CAST(round(unixepoch(next_attempt, 'subsec') * 1000) AS INTEGER) AS next_attempt,
    restarts, nullif(since, 0) AS since, last_error,
    CAST(round(unixepoch(last_exit_at, 'subsec') * 1000) AS INTEGER) AS last_exit_at,
    CASE WHEN last_exit_known AND last_exit_signal = 0 THEN last_exit_code END AS last_exit_code,
    CASE WHEN last_exit_known THEN nullif(last_exit_signal, 0) END AS last_exit_signal,
    last_exit_reason
FROM collectors
