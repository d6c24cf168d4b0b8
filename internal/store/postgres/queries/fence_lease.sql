-- Ends the epoch of the lease of instance $1 if it has run out, and tells how many microseconds are
-- left of it. One statement: it waits for whoever renews the lease at the same moment, and judges
-- what that leaves. now() is one instant for all of it, and not later than the true one, so a lease
-- is never taken for older than it is.
UPDATE leases SET epoch = CASE WHEN until <= now() THEN nextval('lease_epochs') ELSE epoch END
WHERE instance = $1
RETURNING greatest(extract(epoch FROM until - now()) * 1000000, 0)::bigint
