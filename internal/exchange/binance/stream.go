package binance

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// MaxStreams is 1024 (EXCHANGES.md 2.10).
func (e *Exchange) MaxStreams() int { return maxStreams }

// MaxAge is 23 h 30 min: the venue closes a connection after 24 h (EXCHANGES.md 2.10).
func (e *Exchange) MaxAge() time.Duration { return connectionAge }

// Dial connects to the combined streams and begins to subscribe the candles of symbols. Whoever
// dials must Receive without long pauses: the library answers the venue's pings while it reads.
func (e *Exchange) Dial(ctx context.Context, tf candle.Timeframe, symbols []string) (exchange.Conn, error) {
	names, err := streamNames(tf, symbols)
	if err != nil {
		return nil, err
	}
	if err := e.budget.Connect(ctx); err != nil {
		return nil, refused(err)
	}
	timed, cancel := context.WithTimeout(ctx, e.config.DialTimeout)
	defer cancel()
	c := newConn(e, newDecoder(tf, symbols), (len(names)+subscribeNames-1)/subscribeNames)
	//nolint:bodyclose // the library closes it, and leaves the beginning of a refusal's
	ws, resp, err := websocket.Dial(timed, e.config.WSURL+"/stream", &websocket.DialOptions{
		HTTPClient:      e.client,
		HTTPHeader:      http.Header{"User-Agent": {userAgent}},
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  c.pinged,
	})
	switch {
	case err == nil:
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols && resp.Body != nil:
		return nil, fmt.Errorf("open a stream: %w", e.answered(resp.StatusCode, resp.Header, resp.Body, subject{}))
	default:
		return nil, fmt.Errorf("open a stream: %w", unreachable(ctx, err))
	}
	ws.SetReadLimit(maxFrame)
	c.begin(ws, names) //nolint:contextcheck // the connection outlives the dialling; Close ends it
	return c, nil
}

// streamNames gives the names of the streams; they carry the symbol in lower case, while events
// carry it in upper case, as REST does (EXCHANGES.md 2.10).
func streamNames(tf candle.Timeframe, symbols []string) ([]string, error) {
	if !tf.Valid() {
		return nil, fmt.Errorf("open a stream: %s is no timeframe", tf)
	}
	if len(symbols) == 0 || len(symbols) > maxStreams {
		return nil, fmt.Errorf("open a stream: a connection carries 1 to %d symbols, not %d", maxStreams, len(symbols))
	}
	names := make([]string, 0, len(symbols))
	seen := make(map[string]bool, len(symbols))
	for _, symbol := range symbols {
		err := candle.CheckSymbol(symbol)
		if err == nil && (symbol != strings.ToUpper(symbol) || strings.ContainsAny(symbol, "/:")) {
			err = fmt.Errorf("lower-case letters, slashes and colons are in no symbol of %s", Name)
		}
		if err != nil {
			return nil, unknownSymbol(problem.Invalid, symbol, err)
		}
		if !seen[symbol] {
			seen[symbol] = true
			names = append(names, strings.ToLower(symbol)+"@kline_"+tf.String())
		}
	}
	return names, nil
}
