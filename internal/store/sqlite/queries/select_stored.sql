-- Those of a list of candles (?2: open times as a JSON array) that are stored, oldest first.
SELECT open_time, close_time, trades, open, high, low, close,
    volume, quote_volume, taker_buy_volume, taker_buy_quote_volume
FROM candles
WHERE series_id = ?1 AND open_time IN (SELECT value FROM json_each(?2))
ORDER BY open_time
