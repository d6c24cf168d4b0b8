-- Stores candles of the series $1..$3; $4 numbers each candle's series among them, from 1. Gives
-- how many are new and how many replaced others; the rest were stored with the same values, and
-- are not touched. A row has xmax 0 when this statement inserted it, and its lock when it updated it.
WITH named AS (
    SELECT s.id, i.nr
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (exchange, symbol, timeframe, nr)
    JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
), stored AS (
    INSERT INTO candles AS c (series_id, open_time, close_time, trades, open, high, low, close,
        volume, quote_volume, taker_buy_volume, taker_buy_quote_volume)
    SELECT n.id, i.open_time, i.close_time, i.trades, i.open, i.high, i.low, i.close,
        i.volume, i.quote_volume, i.taker_buy_volume, i.taker_buy_quote_volume
    FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::numeric[], $9::numeric[],
        $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[])
        AS i (nr, open_time, close_time, trades, open, high, low, close,
        volume, quote_volume, taker_buy_volume, taker_buy_quote_volume)
    JOIN named n USING (nr)
    ON CONFLICT (series_id, open_time) DO UPDATE SET
        close_time = excluded.close_time, trades = excluded.trades,
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, quote_volume = excluded.quote_volume,
        taker_buy_volume = excluded.taker_buy_volume, taker_buy_quote_volume = excluded.taker_buy_quote_volume
    WHERE (c.close_time, c.trades, c.open, c.high, c.low, c.close,
            c.volume, c.quote_volume, c.taker_buy_volume, c.taker_buy_quote_volume)
        IS DISTINCT FROM (excluded.close_time, excluded.trades, excluded.open, excluded.high, excluded.low, excluded.close,
            excluded.volume, excluded.quote_volume, excluded.taker_buy_volume, excluded.taker_buy_quote_volume)
    RETURNING c.xmax = 0 AS fresh
)
SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM stored
