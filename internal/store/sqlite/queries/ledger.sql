-- The gaps of a series about which the venue was asked before, at most ?4 of each state: open ones, and
-- then absent ones, least recently checked first.
SELECT from_time, to_time, state, proofs, checked_at FROM (
    SELECT *, row_number() OVER (PARTITION BY state ORDER BY CASE state WHEN 'open' THEN -from_time ELSE checked_at END) AS nr FROM gaps
    WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
        AND (state = 'absent' OR state = 'open' AND proofs > 0)
)
WHERE nr <= ?4
ORDER BY state DESC, CASE state WHEN 'open' THEN from_time ELSE checked_at END, from_time
