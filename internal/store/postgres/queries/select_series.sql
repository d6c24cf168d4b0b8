-- The series that have candles or gaps.
SELECT exchange, symbol, timeframe FROM series s
WHERE EXISTS (SELECT FROM candles WHERE series_id = s.id) OR EXISTS (SELECT FROM gaps WHERE series_id = s.id)
