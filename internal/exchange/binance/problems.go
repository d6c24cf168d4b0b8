package binance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// Error codes of the venue that mean something to us (EXCHANGES.md 2.9).
const (
	codeIllegalCharacters = -1100
	codeInvalidInterval   = -1120
	codeInvalidSymbol     = -1121
)

// subject is what a request asks about; it goes into messages.
type subject struct {
	symbol    string
	timeframe candle.Timeframe
}

// unavailable: the venue cannot be reached or does not serve now.
func unavailable(cause error, text string) error {
	return problem.New(problem.Unavailable, problem.CodeExchangeUnavailable, cause, text, "exchange", Name)
}

// nonsense: the venue answered, but not in a way that it should.
func nonsense(cause error) error {
	return problem.New(problem.Unavailable, problem.CodeExchangeNonsense, cause,
		"{exchange} answered with something that is no answer; it is asked again later. If this stays, check the address of {exchange}", "exchange", Name)
}

func unknownSymbol(kind problem.Kind, symbol string, cause error) error {
	return problem.New(kind, problem.CodeUnknownSymbol, cause,
		"{exchange} does not know the symbol {symbol}: check its spelling, upper case as in ETHUSDT", "symbol", symbol, "exchange", Name)
}

// refused gives meaning to what a budget answers: a ban, or the end of the context.
func refused(err error) error {
	var ban *exchange.BanError
	if !errors.As(err, &ban) {
		return fmt.Errorf("wait for the budget of %s: %w", Name, err)
	}
	return banned(ban)
}

func banned(ban *exchange.BanError) error {
	return problem.New(problem.Banned, problem.CodeExchangeBanned, ban,
		"{exchange} refuses all requests from this address until {until}; velador asks again after that",
		"exchange", Name, "until", ban.Until.UTC().Format(time.RFC3339))
}

// unreachable gives meaning to an error of the transport. The end of the caller's own context is
// not the venue's fault.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", Name, ctx.Err())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return unavailable(err, "{exchange} did not answer in time; it is asked again later")
	}
	return unavailable(err, "{exchange} cannot be reached; check the network and the address of {exchange}")
}

// answered gives meaning to a status other than 200, and tells the budget of a ban.
func (e *Exchange) answered(status int, header http.Header, body io.Reader, about subject) error {
	text, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	code, msg := decodeError(text)
	cause := fmt.Errorf("HTTP status %d, code %d: %.200q", status, code, msg)
	if err != nil {
		cause = fmt.Errorf("%w (its body ended early: %w)", cause, err)
	}
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusTeapot:
		ban := banOf(status, header, time.Now())
		e.budget.Ban(*ban)
		return banned(ban)
	case status == http.StatusBadRequest && code == codeInvalidSymbol:
		return unknownSymbol(problem.NotFound, about.symbol, cause)
	case status == http.StatusBadRequest && code == codeIllegalCharacters && strings.Contains(msg, "'symbol'"):
		return unknownSymbol(problem.Invalid, about.symbol, cause)
	case status == http.StatusBadRequest && code == codeInvalidInterval:
		return problem.New(problem.Invalid, problem.CodeInvalidTimeframe, cause,
			"{exchange} has no candles of {timeframe}: use one of {allowed}", "exchange", Name, "timeframe", about.timeframe.String(), "allowed", allTimeframes())
	case status == http.StatusUnavailableForLegalReasons:
		return unavailable(cause, "{exchange} does not serve this location; set another address of {exchange}, such as its market-data host")
	case status == http.StatusForbidden:
		return unavailable(cause, "{exchange} has refused the request at its gate (status 403); it is asked again later")
	case status >= 500 || isBusy(code):
		return unavailable(cause, "{exchange} has a failure of its own; it is asked again later")
	case status == http.StatusNotFound:
		return unavailable(cause, "The address of {exchange} does not serve what Binance serves; check it")
	}
	return nonsense(cause)
}

// isBusy tells codes that a later request may not meet (EXCHANGES.md 2.9).
func isBusy(code int64) bool {
	switch code {
	case -1000, -1001, -1003, -1007, -1008, -1016:
		return true
	}
	return false
}

// decodeError reads {"code":…,"msg":"…"}; a body of another shape gives code 0 and its beginning.
func decodeError(body []byte) (code int64, msg string) {
	s := scanner{data: body}
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		switch string(s.key()) {
		case "code":
			code = s.integer()
		case "msg":
			msg = string(s.text())
		default:
			s.skip()
		}
	}
	if s.end() != nil {
		return 0, string(body[:min(len(body), 200)])
	}
	return code, msg
}

// isJSON tells whether an answer says that it is JSON; one that says nothing may try.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || (err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")))
}

func allTimeframes() string {
	var names []string
	for _, tf := range candle.Timeframes() {
		names = append(names, tf.String())
	}
	return strings.Join(names, " ")
}
