-- The open times between which a series is confirmed.
SELECT confirmed_from, confirmed_to FROM series
WHERE (exchange, symbol, timeframe) = ($1, $2, $3) AND confirmed_to IS NOT NULL
