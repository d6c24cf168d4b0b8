-- All leases, with what is left of them in milliseconds.
SELECT instance, host, epoch, max(until - CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER), 0)
FROM leases ORDER BY instance
