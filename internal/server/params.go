package server

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/problem"
)

// defaultExchange is meant where a request names none: the contract knows no other.
const defaultExchange = "binance"

func parseTimeframe(name string) (candle.Timeframe, error) {
	if name == "" {
		return 0, invalid(api.CodeMissingParameter, nil, "name", "timeframe")
	}
	tf, err := candle.ParseTimeframe(name)
	if err != nil {
		return 0, invalid(problem.CodeInvalidTimeframe, err, "timeframe", name, "allowed", timeframeNames())
	}
	return tf, nil
}

func timeframeNames() string {
	var names []string
	for _, tf := range candle.Timeframes() {
		names = append(names, tf.String())
	}
	return strings.Join(names, " ")
}

func parseSymbol(symbol string) (string, error) {
	if symbol == "" {
		return "", invalid(api.CodeMissingParameter, nil, "name", "symbol")
	}
	if err := candle.CheckSymbol(symbol); err != nil {
		return "", invalid(problem.CodeInvalidSelector, err, "detail", err.Error())
	}
	return symbol, nil
}

// parseExchange reads the name of a venue; the default stands for none.
func (s *Server) parseExchange(name string) (string, error) {
	if name == "" {
		return defaultExchange, nil
	}
	known := s.cfg.Exchanges
	if slices.Contains(known, name) || (len(known) == 0 && wellFormed(name)) {
		return name, nil
	}
	if len(known) == 0 {
		known = []string{defaultExchange}
	}
	return "", invalid(problem.CodeUnknownExchange, nil, "exchange", name, "allowed", strings.Join(known, " "))
}

// wellFormed tells whether a text can be a venue's name: lower case ASCII, digits, and - within.
func wellFormed(name string) bool {
	return len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && name[0] != '-'
}

// parseSeries reads what every question about a series asks for.
func (s *Server) parseSeries(symbol, timeframe, exchange string) (series candle.Series, err error) {
	if series.Symbol, err = parseSymbol(symbol); err != nil {
		return series, err
	}
	if series.Timeframe, err = parseTimeframe(timeframe); err != nil {
		return series, err
	}
	series.Exchange, err = s.parseExchange(exchange)
	return series, err
}

// parseRange reads from and to, both included; an end that is left out is open.
func parseRange(from, to string) (r candle.Range, err error) {
	r = candle.Range{From: candle.MinMillis, To: candle.MaxMillis}
	if from != "" {
		if r.From, err = candle.ParseMillis(from); err != nil {
			return r, invalid(api.CodeInvalidTime, err, "name", "from", "value", from)
		}
	}
	if to != "" {
		if r.To, err = candle.ParseMillis(to); err != nil {
			return r, invalid(api.CodeInvalidTime, err, "name", "to", "value", to)
		}
	}
	if r.Empty() {
		return r, invalid(api.CodeInvalidRange, nil, "from", from, "to", to)
	}
	if r == (candle.Range{}) {
		// To the store the zero Range means everything. No candle opened in the millisecond before 1970.
		r.From--
	}
	return r, nil
}

// parseNumber reads a whole number from 1 to most; unset stands for none.
func parseNumber(name, text string, unset, most int) (int, error) {
	if text == "" {
		return unset, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, invalid(api.CodeInvalidNumber, err, "name", name, "min", "1", "max", itoa(most))
	}
	return n, nil
}

// parseChoice reads one of a few words, the first of which stands for none.
func parseChoice(name, text string, allowed ...string) (string, error) {
	if text == "" {
		return allowed[0], nil
	}
	if !slices.Contains(allowed, text) {
		return "", invalid(api.CodeInvalidChoice, nil, "name", name, "value", text, "allowed", strings.Join(allowed, " "))
	}
	return text, nil
}

// parseSince reads where a back-fill begins: epoch milliseconds as a number or a text, RFC 3339, or
// a duration before now. 0 when it is left out. It must lie before now and after 1970, because 0
// has a meaning of its own and no venue is older.
func parseSince(raw json.RawMessage, now time.Time) (candle.Millis, error) {
	if raw == nil {
		return 0, nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, invalid(api.CodeInvalidSince, err)
		}
		if text == "" {
			return 0, nil
		}
	}
	present := candle.MillisOf(now)
	since, err := candle.ParseMillis(text)
	if back, ok := parseDuration(text); ok {
		since, err = present.Add(-back), nil
	}
	if err != nil || since <= 0 || since > present {
		return 0, invalid(api.CodeInvalidSince, err)
	}
	return since, nil
}

// longestBack is more than any venue is old, and far from where a time.Duration ends.
const longestBack = 100 * 365 * 24 * time.Hour

// parseDuration reads a positive duration: as Go writes them (90m, 1h30m), or in whole days (30d)
// or weeks (2w).
func parseDuration(text string) (time.Duration, bool) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		digits, found := strings.CutSuffix(text, unit)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 1 || n > int64(longestBack/length) {
			return 0, false
		}
		return time.Duration(n) * length, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}
