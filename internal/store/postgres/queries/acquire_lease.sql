-- A new epoch of the lease of instance $1 on host $2, for $3 microseconds. Leases that ran out more
-- than $4 microseconds ago are removed, except those that somebody else has in hand just now.
-- The last column is what is left of it, in microseconds.
WITH forgotten AS (
    DELETE FROM leases WHERE instance IN (
        SELECT instance FROM leases
        WHERE until < now() - $4::bigint * interval '1 microsecond' AND instance <> $1
        FOR UPDATE SKIP LOCKED)
)
INSERT INTO leases (instance, host, epoch, until)
VALUES ($1, $2, nextval('lease_epochs'), now() + $3::bigint * interval '1 microsecond')
ON CONFLICT (instance) DO UPDATE SET host = excluded.host, epoch = nextval('lease_epochs'), until = excluded.until
RETURNING instance, host, epoch, greatest(extract(epoch FROM until - now()) * 1000000, 0)::bigint
