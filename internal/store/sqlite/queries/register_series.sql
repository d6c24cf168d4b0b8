-- Gives a series an id.
INSERT INTO series (exchange, symbol, timeframe) VALUES (?1, ?2, ?3) RETURNING id
