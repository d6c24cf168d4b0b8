-- The series that have candles or gaps: each look-up is one step in an index.
SELECT exchange, symbol, timeframe, first_open, last_open, open_gaps, absent_gaps
FROM (
    SELECT s.exchange, s.symbol, s.timeframe,
        (SELECT min(open_time) FROM candles WHERE series_id = s.id) AS first_open,
        (SELECT max(open_time) FROM candles WHERE series_id = s.id) AS last_open,
        (SELECT count(*) FROM gaps WHERE series_id = s.id AND state = 'open') AS open_gaps,
        (SELECT count(*) FROM gaps WHERE series_id = s.id AND state = 'absent') AS absent_gaps,
        EXISTS (SELECT 1 FROM gaps WHERE series_id = s.id) AS has_gaps
    FROM series s
) AS known
WHERE first_open IS NOT NULL OR has_gaps
