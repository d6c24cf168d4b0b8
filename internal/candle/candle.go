// Package candle is the vocabulary of what velador collects: candles with exact decimals, the
// series they form, timeframes, selectors and ranges. It is pure: it reads no clock, opens no
// file, and imports nothing but the standard library.
package candle

import (
	"fmt"
	"strconv"
	"strings"
)

// Candle is one bar of a series, identified within it by its open time. Times are the venue's own,
// never computed: close times may be odd around outages (EXCHANGES.md 2.15) and are kept as sent.
type Candle struct {
	OpenTime  Millis  // first instant of the interval
	CloseTime Millis  // last instant, normally open + length − 1 ms
	Open      Decimal // quote asset per base asset, as are High, Low and Close
	High      Decimal
	Low       Decimal
	Close     Decimal

	Volume              Decimal // in base asset
	QuoteVolume         Decimal // in quote asset
	Trades              int64   // number of trades
	TakerBuyVolume      Decimal // base asset bought by takers
	TakerBuyQuoteVolume Decimal // the same in quote asset
}

// Equal tells whether two candles agree in every value; trailing zeros do not matter.
func (c Candle) Equal(d Candle) bool {
	return c.OpenTime == d.OpenTime && c.CloseTime == d.CloseTime && c.Trades == d.Trades &&
		c.Open.Equal(d.Open) && c.High.Equal(d.High) && c.Low.Equal(d.Low) && c.Close.Equal(d.Close) &&
		c.Volume.Equal(d.Volume) && c.QuoteVolume.Equal(d.QuoteVolume) &&
		c.TakerBuyVolume.Equal(d.TakerBuyVolume) && c.TakerBuyQuoteVolume.Equal(d.TakerBuyQuoteVolume)
}

// Validate tells what makes a candle impossible: a missing price, or a high below or a low above
// another price. Times are not judged (see Candle).
func (c Candle) Validate() error {
	if c.Open.IsAbsent() || c.High.IsAbsent() || c.Low.IsAbsent() || c.Close.IsAbsent() {
		return fmt.Errorf("candle %s lacks a price", c.OpenTime)
	}
	for _, price := range []Decimal{c.Open, c.Close, c.Low} {
		if c.High.Compare(price) < 0 {
			return fmt.Errorf("candle %s has a high of %s below a price of %s", c.OpenTime, c.High, price)
		}
	}
	for _, price := range []Decimal{c.Open, c.Close} {
		if c.Low.Compare(price) > 0 {
			return fmt.Errorf("candle %s has a low of %s above a price of %s", c.OpenTime, c.Low, price)
		}
	}
	if c.Trades < 0 {
		return fmt.Errorf("candle %s counts %d trades", c.OpenTime, c.Trades)
	}
	return nil
}

// CSVHeader names the columns of AppendCSV, in order (the contract of GET /api/candles).
const CSVHeader = "open_time,open,high,low,close,volume,close_time,quote_volume,trades,taker_buy_volume,taker_buy_quote_volume"

// AppendCSV appends the candle as one CSV line without a line end; times are epoch milliseconds,
// an absent decimal is an empty field.
func (c Candle) AppendCSV(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(c.OpenTime), 10)
	for _, d := range [...]Decimal{c.Open, c.High, c.Low, c.Close, c.Volume} {
		dst = append(append(dst, ','), d.text...)
	}
	dst = strconv.AppendInt(append(dst, ','), int64(c.CloseTime), 10)
	dst = append(append(dst, ','), c.QuoteVolume.text...)
	dst = strconv.AppendInt(append(dst, ','), c.Trades, 10)
	dst = append(append(dst, ','), c.TakerBuyVolume.text...)
	return append(append(dst, ','), c.TakerBuyQuoteVolume.text...)
}

// ParseCSV reads one line of AppendCSV. The candle's decimals are substrings of line.
func ParseCSV(line string) (Candle, error) {
	var c Candle
	var fields [11]string
	rest := line
	for i := range fields {
		field, tail, found := strings.Cut(rest, ",")
		if found != (i < len(fields)-1) {
			return Candle{}, fmt.Errorf("a candle's line has %d fields, not %d: %.200q", strings.Count(line, ",")+1, len(fields), line)
		}
		fields[i], rest = field, tail
	}
	times := [...]struct {
		field int
		at    *Millis
	}{{0, &c.OpenTime}, {6, &c.CloseTime}}
	for _, t := range times {
		n, err := strconv.ParseInt(fields[t.field], 10, 64)
		if err != nil {
			return Candle{}, fmt.Errorf("field %d of a candle's line is no time: %.40q", t.field+1, fields[t.field])
		}
		*t.at = Millis(n)
	}
	n, err := strconv.ParseInt(fields[8], 10, 64)
	if err != nil {
		return Candle{}, fmt.Errorf("field 9 of a candle's line is no number of trades: %.40q", fields[8])
	}
	c.Trades = n
	decimals := [...]struct {
		field int
		at    *Decimal
	}{{1, &c.Open}, {2, &c.High}, {3, &c.Low}, {4, &c.Close}, {5, &c.Volume}, {7, &c.QuoteVolume}, {9, &c.TakerBuyVolume}, {10, &c.TakerBuyQuoteVolume}}
	for _, d := range decimals {
		if fields[d.field] == "" {
			continue
		}
		if *d.at, err = ParseDecimal(fields[d.field]); err != nil {
			return Candle{}, fmt.Errorf("field %d of a candle's line: %w", d.field+1, err)
		}
	}
	return c, nil
}
