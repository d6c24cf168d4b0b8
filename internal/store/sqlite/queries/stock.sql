-- The size of the file in the row without a state, and how many gaps are in each.
SELECT '', page_count * page_size FROM pragma_page_count, pragma_page_size
UNION ALL
SELECT state, count(*) FROM gaps GROUP BY state
