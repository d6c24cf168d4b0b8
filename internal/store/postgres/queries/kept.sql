-- Of candles of the series $1..$3 ($4 numbers each candle's series among them, from 1): how many are stored
-- with other values, and of 20 of those the stored ones as CSV.
WITH named AS (
    SELECT s.id, i.nr
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (exchange, symbol, timeframe, nr)
    JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
), kept AS (
    SELECT n.id, n.nr, i.open_time
    FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::numeric[], $9::numeric[],
        $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[])
        AS i (nr, open_time, close_time, trades, open, high, low, close,
        volume, quote_volume, taker_buy_volume, taker_buy_quote_volume)
    JOIN named n USING (nr)
    WHERE (
        SELECT (c.close_time, c.trades, c.open, c.high, c.low, c.close,
                c.volume, c.quote_volume, c.taker_buy_volume, c.taker_buy_quote_volume)
            IS DISTINCT FROM (i.close_time, i.trades, i.open, i.high, i.low, i.close,
                i.volume, i.quote_volume, i.taker_buy_volume, i.taker_buy_quote_volume)
        FROM candles c
        WHERE c.series_id = n.id AND c.open_time = i.open_time)
)
SELECT count(*), (
    SELECT string_agg((
        SELECT concat(f.nr, ' ', o.open_time, ',', o.open, ',', o.high, ',', o.low, ',', o.close, ',', o.volume, ',', o.close_time,
            ',', o.quote_volume, ',', o.trades, ',', o.taker_buy_volume, ',', o.taker_buy_quote_volume)
        FROM candles o
        WHERE o.series_id = f.id AND o.open_time = f.open_time
    ), E'\n' ORDER BY f.nr, f.open_time)
    FROM (SELECT id, nr, open_time FROM kept ORDER BY nr, open_time LIMIT 20) AS f
) FROM kept
