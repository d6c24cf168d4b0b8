-- Stores candles of the series $1..$3; $4 numbers each candle's series among them, from 1. What is stored and
-- confirmed stays as it is, unless the candles are verified ($16). Gives how many are new, how many replaced
-- others, how many differ from what stays, and of 20 of each of the latter two the former values as CSV: the
-- whole statement sees the table as it was before. The rest were stored with the same values, and
-- are not touched. A row has xmax 0 when this statement inserted it, and its lock when it updated it.
-- The lock of the series lets nobody confirm anything meanwhile; see lock_series.sql.
WITH named AS (
    SELECT s.id, i.nr, s.confirmed_from, s.confirmed_to
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (exchange, symbol, timeframe, nr)
    JOIN series s ON (s.exchange, s.symbol, s.timeframe) = (i.exchange, i.symbol, i.timeframe)
    ORDER BY i.nr
    FOR SHARE OF s
), given AS (
    SELECT n.id, n.nr, NOT $16::boolean AND i.open_time BETWEEN n.confirmed_from AND n.confirmed_to AS confirmed,
        i.open_time, i.close_time, i.trades, i.open, i.high, i.low, i.close,
        i.volume, i.quote_volume, i.taker_buy_volume, i.taker_buy_quote_volume
    FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::numeric[], $9::numeric[],
        $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[])
        AS i (nr, open_time, close_time, trades, open, high, low, close,
        volume, quote_volume, taker_buy_volume, taker_buy_quote_volume)
    JOIN named n USING (nr)
), stored AS (
    INSERT INTO candles AS c (series_id, open_time, close_time, trades, open, high, low, close,
        volume, quote_volume, taker_buy_volume, taker_buy_quote_volume)
    SELECT id, open_time, close_time, trades, open, high, low, close,
        volume, quote_volume, taker_buy_volume, taker_buy_quote_volume
    FROM given
    ON CONFLICT (series_id, open_time) DO UPDATE SET
        close_time = excluded.close_time, trades = excluded.trades,
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, quote_volume = excluded.quote_volume,
        taker_buy_volume = excluded.taker_buy_volume, taker_buy_quote_volume = excluded.taker_buy_quote_volume
    WHERE (c.close_time, c.trades, c.open, c.high, c.low, c.close,
            c.volume, c.quote_volume, c.taker_buy_volume, c.taker_buy_quote_volume)
        IS DISTINCT FROM (excluded.close_time, excluded.trades, excluded.open, excluded.high, excluded.low, excluded.close,
            excluded.volume, excluded.quote_volume, excluded.taker_buy_volume, excluded.taker_buy_quote_volume)
        AND ($16 OR NOT EXISTS (
            SELECT FROM named n WHERE n.id = c.series_id AND c.open_time BETWEEN n.confirmed_from AND n.confirmed_to))
    RETURNING c.xmax = 0 AS fresh, c.series_id, c.open_time
), kept AS (
    SELECT g.id AS series_id, g.nr, g.open_time
    FROM given g
    WHERE g.confirmed AND (
        SELECT (c.close_time, c.trades, c.open, c.high, c.low, c.close,
                c.volume, c.quote_volume, c.taker_buy_volume, c.taker_buy_quote_volume)
            IS DISTINCT FROM (g.close_time, g.trades, g.open, g.high, g.low, g.close,
                g.volume, g.quote_volume, g.taker_buy_volume, g.taker_buy_quote_volume)
        FROM candles c
        WHERE c.series_id = g.id AND c.open_time = g.open_time)
), told AS (
    (SELECT false AS kept, s.series_id, n.nr, s.open_time FROM stored s JOIN named n ON n.id = s.series_id
        WHERE NOT s.fresh ORDER BY n.nr, s.open_time LIMIT 20)
    UNION ALL
    (SELECT true, k.series_id, k.nr, k.open_time FROM kept k ORDER BY k.nr, k.open_time LIMIT 20)
), former AS (
    SELECT t.kept, t.nr, t.open_time, (
        SELECT concat(t.nr, ' ', o.open_time, ',', o.open, ',', o.high, ',', o.low, ',', o.close, ',', o.volume, ',', o.close_time,
            ',', o.quote_volume, ',', o.trades, ',', o.taker_buy_volume, ',', o.taker_buy_quote_volume)
        FROM candles o
        WHERE o.series_id = t.series_id AND o.open_time = t.open_time
    ) AS line
    FROM told t
)
SELECT (SELECT count(*) FROM stored WHERE fresh), (SELECT count(*) FROM stored WHERE NOT fresh), (SELECT count(*) FROM kept),
    string_agg(line, E'\n' ORDER BY nr, open_time) FILTER (WHERE NOT kept),
    string_agg(line, E'\n' ORDER BY nr, open_time) FILTER (WHERE kept)
FROM former
