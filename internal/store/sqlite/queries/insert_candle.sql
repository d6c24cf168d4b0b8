-- A candle that is not stored; one that is stays as it is, and no row counts as affected.
INSERT INTO candles (series_id, open_time, close_time, trades, open, high, low, close,
    volume, quote_volume, taker_buy_volume, taker_buy_quote_volume)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT DO NOTHING
