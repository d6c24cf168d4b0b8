package binance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"velador/internal/candle"
	"velador/internal/problem"
)

// request is one question to the venue.
type request struct {
	path    string
	query   url.Values
	weight  int
	timeout time.Duration
	limit   int64 // bytes of the answer
	about   subject
}

// get asks and hands the answer's body to read, which must read all of it. The time-out runs from
// the moment the budget grants the request until read returns.
func (e *Exchange) get(ctx context.Context, r request, read func(body io.Reader) error) error {
	if err := e.budget.Spend(ctx, r.weight); err != nil {
		return refused(err)
	}
	timed, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	address := e.config.RESTURL + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(timed, http.MethodGet, address, nil)
	if err != nil {
		return problem.New(problem.Invalid, problem.CodeExchangeUnavailable, err, "The address of {exchange} is no address", "exchange", Name)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	resp, err := e.client.Do(req)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer resp.Body.Close()
	e.observe(resp.Header)
	if resp.StatusCode != http.StatusOK {
		return e.answered(resp.StatusCode, resp.Header, resp.Body, r.about)
	}
	if kind := resp.Header.Get("Content-Type"); !isJSON(kind) {
		return nonsense(fmt.Errorf("the content type is %.100q", kind))
	}
	body := &body{from: resp.Body, left: r.limit}
	if err := read(body); err != nil {
		if body.err != nil {
			return unreachable(ctx, fmt.Errorf("read the answer: %w", body.err))
		}
		return nonsense(err)
	}
	return nil
}

// body bounds an answer and keeps apart what the transport did from what the venue said.
type body struct {
	from io.Reader
	left int64
	err  error // of the transport
}

// Read reads on until the bound is reached; then it fails rather than pretend an end.
func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than any should be")
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// Time asks the venue for its clock; weight 1.
func (e *Exchange) Time(ctx context.Context) (candle.Millis, error) {
	var at candle.Millis
	err := e.get(ctx, request{path: "/api/v3/time", weight: weightTime, timeout: e.config.RequestTimeout, limit: maxTimeBody},
		func(body io.Reader) error {
			text, err := io.ReadAll(body)
			if err == nil {
				at, err = decodeTime(text)
			}
			return err
		})
	if err != nil {
		return 0, err
	}
	e.clock.reached(at)
	return at, nil
}

// decodeTime reads {"serverTime":1795428905123}.
func decodeTime(text []byte) (at candle.Millis, err error) {
	s := scanner{data: text}
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		if string(s.key()) == "serverTime" {
			at = s.millis()
		} else {
			s.skip()
		}
	}
	if err = s.end(); err == nil && at == 0 {
		err = fmt.Errorf("the answer holds no serverTime")
	}
	return at, err
}

const userAgent = "velador"
