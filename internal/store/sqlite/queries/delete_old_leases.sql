-- Leases that ran out more than ?2 milliseconds ago, but that of instance ?1.
DELETE FROM leases WHERE instance <> ?1 AND until < CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) - ?2
