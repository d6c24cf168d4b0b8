-- Epoch ?3 of the lease of instance ?1 on host ?2, for ?4 milliseconds. The last column is what is
-- left of it, in milliseconds; 'now' is one instant within a statement.
INSERT INTO leases (instance, host, epoch, until)
VALUES (?1, ?2, ?3, CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) + ?4)
ON CONFLICT DO UPDATE SET host = excluded.host, epoch = excluded.epoch, until = excluded.until
RETURNING instance, host, epoch, max(until - CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER), 0)
