-- All leases, with what is left of them in microseconds.
SELECT instance, host, epoch, greatest(extract(epoch FROM until - now()) * 1000000, 0)::bigint
FROM leases ORDER BY instance COLLATE "C"
