-- How many candles of a series are stored from ?2 to ?3, and whether all of that was confirmed before.
SELECT (SELECT count(*) FROM candles WHERE series_id = ?1 AND open_time BETWEEN ?2 AND ?3),
    coalesce(confirmed_from <= ?2 AND confirmed_to >= ?3, 0)
FROM series WHERE id = ?1
