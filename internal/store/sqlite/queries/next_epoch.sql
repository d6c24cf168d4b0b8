-- An epoch that no lease has had.
UPDATE lease_epochs SET last = last + 1 RETURNING last
