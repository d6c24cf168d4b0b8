-- Stores candles of the series $1..$3; $4 numbers each candle's series among them, from 1. Gives
-- how many are new, how many replaced others, and of 20 of those the former values as CSV: the whole
-- statement sees the table as it was before. The rest were stored with the same values, and
-- are not touched, and neither is what is confirmed, unless the candles are verified ($16): kept.sql tells of
-- those. The series are locked (share_series.sql), so that nobody confirms anything meanwhile. A row has xmax 0 when this statement inserted it, and its lock when it updated it.
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
        AND ($16::boolean OR NOT EXISTS (
            SELECT FROM series s WHERE s.id = c.series_id AND c.open_time BETWEEN s.confirmed_from AND s.confirmed_to))
    RETURNING c.xmax = 0 AS fresh, c.series_id, c.open_time
)
SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh), (
    SELECT string_agg((
        SELECT concat(f.nr, ' ', o.open_time, ',', o.open, ',', o.high, ',', o.low, ',', o.close, ',', o.volume, ',', o.close_time,
            ',', o.quote_volume, ',', o.trades, ',', o.taker_buy_volume, ',', o.taker_buy_quote_volume)
        FROM candles o
        WHERE o.series_id = f.series_id AND o.open_time = f.open_time
    ), E'\n' ORDER BY f.nr, f.open_time)
    FROM (
        SELECT s.series_id, s.open_time, n.nr FROM stored s JOIN named n ON n.id = s.series_id
        WHERE NOT s.fresh ORDER BY n.nr, s.open_time LIMIT 20
    ) AS f
) FROM stored
