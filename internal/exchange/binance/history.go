package binance

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// Candles reads one page of history. A row is closed when its close time, and the nominal end of
// its interval, lie more than three seconds before a time that the exchange's clock is known to
// have passed before the question was sent: answers and events already seen, and /api/v3/time where
// those do not suffice. Weight 2, or 3 with the clock.
func (e *Exchange) Candles(ctx context.Context, symbol string, tf candle.Timeframe, r candle.Range) (exchange.Page, error) {
	if err := candle.CheckSymbol(symbol); err != nil {
		return exchange.Page{}, unknownSymbol(problem.Invalid, symbol, err)
	}
	if !tf.Valid() {
		return exchange.Page{}, fmt.Errorf("ask %s for candles: %s is no timeframe", Name, tf)
	}
	// Times before 1970 are refused, and from microsThreshold on they would be read as microseconds.
	r.From, r.To = max(r.From, 0), min(r.To, microsThreshold-1)
	if r.Empty() {
		return exchange.Page{AsOf: e.clock.known()}, nil
	}
	newest := min(r.To, r.From.Add(pageRows*tf.Step())) // of a page without holes
	asked := false
	for {
		asOf := e.clock.known()
		if !asked && !closedAt(newest.Add(tf.Step()), asOf) {
			if _, err := e.Time(ctx); err != nil {
				return exchange.Page{}, err
			}
			asOf, asked = e.clock.known(), true
		}
		rows, err := e.klines(ctx, symbol, tf, r)
		if err != nil {
			return exchange.Page{}, err
		}
		page, err := newPage(rows, tf, r, asOf)
		if err != nil {
			return exchange.Page{}, nonsense(err)
		}
		if page.Unclosed != 0 && !asked {
			// Holes let the page reach further than was reckoned. What is called unclosed must be
			// so, hence the clock, and the question again after it.
			newest = microsThreshold
			continue
		}
		return page, nil
	}
}

func closedAt(end, asOf candle.Millis) bool { return end.Add(closeMargin) < asOf }

// newPage sorts and checks the rows of an answer and tells the closed from the others.
func newPage(rows []candle.Candle, tf candle.Timeframe, r candle.Range, asOf candle.Millis) (exchange.Page, error) {
	page := exchange.Page{AsOf: asOf, Full: len(rows) >= pageRows}
	byOpenTime := func(a, b candle.Candle) int { return cmp.Compare(a.OpenTime, b.OpenTime) }
	if !slices.IsSortedFunc(rows, byOpenTime) {
		slices.SortStableFunc(rows, byOpenTime)
	}
	closed := rows[:0] // never ahead of the row that is looked at
	var last candle.Candle
	for i, c := range rows {
		switch {
		case !r.Contains(c.OpenTime):
			return page, fmt.Errorf("the candle %s lies outside of what was asked, %s", c.OpenTime, r)
		case i > 0 && last.OpenTime == c.OpenTime:
			if !last.Equal(c) {
				return page, fmt.Errorf("the candle %s came twice, with different values", c.OpenTime)
			}
		// A close time may be early, even before the open, around outages (EXCHANGES.md 2.15); the
		// candle that still forms must not pass for closed by it.
		case closedAt(max(c.CloseTime, tf.Next(c.OpenTime)-1), asOf):
			closed = append(closed, c)
		case page.Unclosed == 0:
			page.Unclosed = c.OpenTime
		}
		last = c
	}
	page.Candles = closed
	return page, nil
}

// klines asks for rows; they come as they came.
func (e *Exchange) klines(ctx context.Context, symbol string, tf candle.Timeframe, r candle.Range) (rows []candle.Candle, err error) {
	query := url.Values{
		"symbol": {symbol}, "interval": {tf.String()}, "limit": {strconv.Itoa(pageRows)},
		"startTime": {strconv.FormatInt(int64(r.From), 10)}, "endTime": {strconv.FormatInt(int64(r.To), 10)},
	}
	rows = make([]candle.Candle, 0, min(tf.Count(r.From, r.To)+1, pageRows))
	about := subject{symbol: symbol, timeframe: tf}
	err = e.get(ctx, request{path: "/api/v3/klines", query: query, weight: weightKlines, timeout: e.config.RequestTimeout, limit: maxPageBody, about: about},
		func(body io.Reader) error { rows, err = decodeRows(body, rows); return err })
	if err != nil {
		return nil, fmt.Errorf("candles of %s %s %s: %w", symbol, tf, r, err)
	}
	return rows, nil
}

// decodeRows appends the rows of a klines answer, an array of arrays of twelve.
func decodeRows(from io.Reader, rows []candle.Candle) ([]candle.Candle, error) {
	all := newElements(from)
	if err := all.open(jsontext.KindBeginArray); err != nil {
		return rows, err
	}
	for {
		more, err := all.more(jsontext.KindEndArray)
		if err != nil {
			return rows, err
		}
		if !more {
			return rows, all.end()
		}
		if len(rows) == pageRows {
			return rows, fmt.Errorf("the answer has more than the %d rows asked for", pageRows)
		}
		text, err := all.value()
		if err != nil {
			return rows, err
		}
		c, err := decodeRow(text)
		if err != nil {
			return rows, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		rows = append(rows, c)
	}
}

// decodeRow takes one row apart (EXCHANGES.md 2.3).
func decodeRow(text []byte) (candle.Candle, error) {
	var c candle.Candle
	var digits decimals
	s := scanner{data: text}
	column := 0
	s.expect('[')
	for first := true; s.more(&first, ']'); column++ {
		switch column {
		case 0:
			c.OpenTime = s.millis()
		case 1, 2, 3, 4, 5:
			digits.take(openPrice+column-1, &s)
		case 6:
			c.CloseTime = s.millis()
		case 7:
			digits.take(quoteVolume, &s)
		case 8:
			c.Trades = s.integer()
		case 9, 10:
			digits.take(takerVolume+column-9, &s)
		default:
			s.skip() // unused
		}
	}
	if err := s.end(); err != nil {
		return candle.Candle{}, err
	}
	if column != 12 {
		return candle.Candle{}, fmt.Errorf("a candle has %d columns, not 12", column)
	}
	var parsed [countOfDecimals]candle.Decimal
	if err := digits.parse(&parsed); err != nil {
		return candle.Candle{}, err
	}
	c.Open, c.High, c.Low, c.Close = parsed[openPrice], parsed[highPrice], parsed[lowPrice], parsed[closePrice]
	c.Volume, c.QuoteVolume = parsed[volume], parsed[quoteVolume]
	c.TakerBuyVolume, c.TakerBuyQuoteVolume = parsed[takerVolume], parsed[takerQuoteVolume]
	return c, c.Validate()
}
