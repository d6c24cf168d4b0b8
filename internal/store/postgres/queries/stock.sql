-- The size of the database in the row without a state, and how many gaps are in each.
SELECT '', pg_database_size(current_database())
UNION ALL
SELECT state, count(*) FROM gaps GROUP BY state
