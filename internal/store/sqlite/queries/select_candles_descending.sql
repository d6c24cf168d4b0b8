-- One page of a series, newest first.
SELECT open_time, close_time, trades, open, high, low, close,
    volume, quote_volume, taker_buy_volume, taker_buy_quote_volume
FROM candles
WHERE series_id = (SELECT id FROM series WHERE (exchange, symbol, timeframe) = (?1, ?2, ?3))
    AND open_time BETWEEN ?4 AND ?5
ORDER BY open_time DESC
LIMIT ?6
