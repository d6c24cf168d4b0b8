package sqlite

import (
	"database/sql/driver"
	"fmt"

	"velador/internal/candle"
)

// candleColumns is how many columns a candle has: the series' id and eleven of its own.
const candleColumns = 12

// decimalsOf lists the decimals of a candle in the order of the table's columns.
func decimalsOf(c *candle.Candle) [8]*candle.Decimal {
	return [8]*candle.Decimal{&c.Open, &c.High, &c.Low, &c.Close,
		&c.Volume, &c.QuoteVolume, &c.TakerBuyVolume, &c.TakerBuyQuoteVolume}
}

// appendCandle appends a candle's columns, its series' id first.
func appendCandle(dst []driver.Value, id int64, c *candle.Candle) []driver.Value {
	dst = append(dst, id, int64(c.OpenTime), int64(c.CloseTime), c.Trades)
	for _, d := range decimalsOf(c) {
		if d.IsAbsent() {
			dst = append(dst, nil)
		} else {
			dst = append(dst, d.String())
		}
	}
	return dst
}

// decodeCandle reads a row of select_candles.sql.
func decodeCandle(row []driver.Value) (candle.Candle, error) {
	var c candle.Candle
	n, err := integers(row[:3])
	if err != nil {
		return c, fmt.Errorf("a stored candle: %w", err)
	}
	c.OpenTime, c.CloseTime, c.Trades = candle.Millis(n[0]), candle.Millis(n[1]), n[2]
	for i, at := range decimalsOf(&c) {
		switch v := row[3+i].(type) {
		case nil:
		case string:
			if *at, err = candle.ParseDecimal(v); err != nil {
				return c, fmt.Errorf("candle %s is stored with what is no decimal: %w", c.OpenTime, err)
			}
		default:
			return c, fmt.Errorf("candle %s is stored with a %T for a decimal", c.OpenTime, v)
		}
	}
	return c, nil
}

// seriesParams gives a series, and numbers after it, as parameters.
func seriesParams(s candle.Series, numbers ...int64) []driver.Value {
	params := []driver.Value{s.Exchange, s.Symbol, s.Timeframe.String()}
	for _, n := range numbers {
		params = append(params, n)
	}
	return params
}

// integers reads a row of integers; the result is as long as the row even when it fails.
func integers(row []driver.Value) ([]int64, error) {
	all := make([]int64, len(row))
	for i, v := range row {
		n, ok := v.(int64)
		if !ok {
			return all, fmt.Errorf("the database answered %T where a number was expected", v)
		}
		all[i] = n
	}
	return all, nil
}
