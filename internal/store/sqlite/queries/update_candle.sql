-- Other values for a stored candle.
UPDATE candles SET close_time = ?3, trades = ?4, open = ?5, high = ?6, low = ?7, close = ?8,
    volume = ?9, quote_volume = ?10, taker_buy_volume = ?11, taker_buy_quote_volume = ?12
WHERE series_id = ?1 AND open_time = ?2
