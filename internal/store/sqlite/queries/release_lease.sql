-- Ends epoch ?2 of the lease of instance ?1; its next one is ?3.
UPDATE leases SET epoch = ?3, until = min(until, CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER))
WHERE instance = ?1 AND epoch = ?2
