package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
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

func (s Series) query() url.Values {
	query := url.Values{"symbol": {s.Symbol}, "timeframe": {s.Timeframe}}
	if s.Exchange != "" {
		query.Set("exchange", s.Exchange)
	}
	if !s.From.IsZero() {
		query.Set("from", strconv.FormatInt(s.From.UnixMilli(), 10))
	}
	if !s.To.IsZero() {
		query.Set("to", strconv.FormatInt(s.To.UnixMilli(), 10))
	}
	return query
}

// CandlesQuery selects candles.
type CandlesQuery struct {
	Series
	Limit      int  // 0: 500 in JSON, all in CSV
	Descending bool // newest first
}

func (q CandlesQuery) query() url.Values {
	query := q.Series.query()
	if q.Limit != 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Descending {
		query.Set("order", "desc")
	}
	return query
}

// Candles reads stored candles into memory, at most 10,000.
func (c *Client) Candles(ctx context.Context, q CandlesQuery) (api.CandlesAnswer, error) {
	var answer api.CandlesAnswer
	err := c.ask(ctx, http.MethodGet, "/api/candles", q.query(), nil, &answer)
	return answer, err
}

// CandlesCSV reads stored candles as CSV, any number of them. Reading gives an error, never io.EOF,
// when the server broke off midway: what was read until then is not the whole. The caller closes it.
func (c *Client) CandlesCSV(ctx context.Context, q CandlesQuery) (io.ReadCloser, error) {
	query := q.query()
	query.Set("format", "csv")
	resp, err := c.send(ctx, http.MethodGet, "/api/candles", query, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Coverage tells how complete a series is.
func (c *Client) Coverage(ctx context.Context, s Series) (api.CoverageAnswer, error) {
	var answer api.CoverageAnswer
	err := c.ask(ctx, http.MethodGet, "/api/coverage", s.query(), nil, &answer)
	return answer, err
}

// CoverageByDay is Coverage with Days: how complete each day is. The server lists at most 4,000 of
// them; when there are more, the error is an *Error with api.CodeTooManyDays.
func (c *Client) CoverageByDay(ctx context.Context, s Series) (api.CoverageAnswer, error) {
	query := s.query()
	query.Set("by", "day")
	var answer api.CoverageAnswer
	err := c.ask(ctx, http.MethodGet, "/api/coverage", query, nil, &answer)
	return answer, err
}
