-- Confirms a series from ?2 to ?3 if ?4 candles of that stretch are stored at least, and if it touches or
-- overlaps what is confirmed already.
UPDATE series SET confirmed_from = min(coalesce(confirmed_from, ?2), ?2), confirmed_to = max(coalesce(confirmed_to, ?3), ?3)
WHERE id = ?1 AND ?5 >= ?4
    AND (confirmed_to IS NULL OR ?2 <= confirmed_to + 1 AND ?3 >= confirmed_from - 1 AND (?2 < confirmed_from OR ?3 > confirmed_to))
