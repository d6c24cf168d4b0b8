package client

import (
	"context"
	"io"
	"strconv"
	"time"

	"velador/api"
)

// Series names what is asked about and which stretch of it. Zero times leave the end open; an
// Exchange that is left out is binance.
type Series struct {
	Symbol, Timeframe, Exchange string
	From, To                    time.Time // open times, both included, to the millisecond
}

// CandlesQuery selects candles.
type CandlesQuery struct {
	Series
	Limit      int  // 0: 500 in JSON, all in CSV
	Descending bool // newest first
}

func (q CandlesQuery) params() candlesParams {
	return candlesParams{
		Symbol: q.Symbol, Timeframe: q.Timeframe, Exchange: q.Exchange, From: millis(q.From), To: millis(q.To),
		Limit: int64(q.Limit), Order: order(q.Descending),
	}
}

// millis writes an instant as the API reads it; the zero one is left out.
func millis(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func order(descending bool) string {
	if descending {
		return "desc"
	}
	return ""
}

// Candles reads stored candles into memory, at most 10,000.
func (c *Client) Candles(ctx context.Context, q CandlesQuery) (api.CandlesAnswer, error) {
	return ask(ctx, c, candlesRequest(q.params()))
}

// CandlesCSV reads stored candles as CSV, any number of them. Reading gives an error, never io.EOF,
// when the server broke off midway: what was read until then is not the whole. The caller closes it.
func (c *Client) CandlesCSV(ctx context.Context, q CandlesQuery) (io.ReadCloser, error) {
	p := q.params()
	p.Format = "csv"
	return c.open(ctx, call(candlesRequest(p)))
}

// Coverage tells how complete a series is.
func (c *Client) Coverage(ctx context.Context, s Series) (api.CoverageAnswer, error) {
	return c.coverage(ctx, s, "")
}

// CoverageByDay is Coverage with Days: how complete each day is. The server lists at most 4,000 of
// them; when there are more, the error is an *Error with api.CodeTooManyDays.
func (c *Client) CoverageByDay(ctx context.Context, s Series) (api.CoverageAnswer, error) {
	return c.coverage(ctx, s, "day")
}

func (c *Client) coverage(ctx context.Context, s Series, by string) (api.CoverageAnswer, error) {
	return ask(ctx, c, coverageRequest(coverageParams{
		Symbol: s.Symbol, Timeframe: s.Timeframe, Exchange: s.Exchange, From: millis(s.From), To: millis(s.To), By: by,
	}))
}
