-- Lets epoch ?2 of the lease of instance ?1 run for ?3 milliseconds from now on; no row when it is over.
UPDATE leases SET until = CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) + ?3
WHERE instance = ?1 AND epoch = ?2
RETURNING instance, host, epoch, max(until - CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER), 0)
