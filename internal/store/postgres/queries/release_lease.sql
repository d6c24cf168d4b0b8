-- Ends epoch $2 of the lease of instance $1.
UPDATE leases SET epoch = nextval('lease_epochs'), until = least(until, now())
WHERE instance = $1 AND epoch = $2
