-- Confirms the series $1 $2 $3 from $4 to $5 if $6 candles of that stretch are stored at least, and if it
-- touches or overlaps what is confirmed already. Gives how many are stored, whether anything was
-- changed, and whether all of it had been confirmed before.
WITH audited AS (
    SELECT s.id, s.confirmed_from <= $4::bigint AND s.confirmed_to >= $5::bigint AS known,
        (SELECT count(*) FROM candles c WHERE c.series_id = s.id AND c.open_time BETWEEN $4 AND $5) AS stored
    FROM series s WHERE (s.exchange, s.symbol, s.timeframe) = ($1, $2, $3)
), moved AS (
    UPDATE series s SET confirmed_from = least(s.confirmed_from, $4), confirmed_to = greatest(s.confirmed_to, $5)
    FROM audited a
    WHERE s.id = a.id AND a.stored >= $6::bigint
        AND (s.confirmed_to IS NULL OR $4 <= s.confirmed_to + 1 AND $5 >= s.confirmed_from - 1
            AND ($4 < s.confirmed_from OR $5 > s.confirmed_to))
    RETURNING s.id
)
SELECT stored, (EXISTS (SELECT FROM moved))::integer, coalesce(known, false)::integer FROM audited
