-- Lets epoch $2 of the lease of instance $1 run for $3 microseconds from now on; no row when it is over.
UPDATE leases SET until = now() + $3::bigint * interval '1 microsecond'
WHERE instance = $1 AND epoch = $2
RETURNING instance, host, epoch, greatest(extract(epoch FROM until - now()) * 1000000, 0)::bigint
