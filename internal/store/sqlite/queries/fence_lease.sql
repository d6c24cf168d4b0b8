-- Ends the epoch of the lease of instance ?1 if it has run out, its next one being ?2, and tells how
-- many milliseconds are left of it; 'now' is one instant within a statement.
UPDATE leases SET epoch = CASE WHEN until <= CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) THEN ?2 ELSE epoch END
WHERE instance = ?1
RETURNING max(until - CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER), 0)
