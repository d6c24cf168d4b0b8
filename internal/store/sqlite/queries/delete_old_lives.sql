-- The lives of a collector beyond the newest ?2.
DELETE FROM lives WHERE collector_id = ?1
    AND id <= (SELECT id FROM lives WHERE collector_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
