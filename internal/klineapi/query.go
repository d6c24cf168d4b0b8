package klineapi

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"velador/internal/candle"
)

// Bounds of a query string; a longer one is refused before it costs anything.
const (
	maxQueryLen    = 64 << 10
	maxQueryParams = 64
)

// microsFrom is the magnitude from which a time is in microseconds (SIM-R6).
const microsFrom = 100_000_000_000_000

// params are the parameters of one call; those that an endpoint reads are counted, because the
// exchange refuses calls that send more than it reads (-1104).
type params struct {
	values map[string]string
	read   int
}

// parseQuery splits a query string. A name that comes twice is refused (-1101), as is a query of
// absurd size or a broken percent escape (-1100).
func parseQuery(raw string) (*params, *refusal) {
	p := &params{values: make(map[string]string, 8)}
	if len(raw) > maxQueryLen {
		return nil, refuse(codeDuplicateParam, "Too many parameters sent for this endpoint.")
	}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		decodedName, err := url.QueryUnescape(name)
		if err != nil {
			return nil, refuse(codeIllegalChars, "Illegal characters found in a parameter.")
		}
		decoded, err := url.QueryUnescape(value)
		if err != nil {
			return nil, refuse(codeIllegalChars, "Illegal characters found in a parameter.")
		}
		if _, double := p.values[decodedName]; double {
			return nil, refuse(codeDuplicateParam, "Duplicate values for a parameter detected.")
		}
		if len(p.values) == maxQueryParams {
			return nil, refuse(codeDuplicateParam, "Too many parameters sent for this endpoint.")
		}
		p.values[decodedName] = decoded
	}
	return p, nil
}

// get reads an optional parameter; one that is sent empty is refused (-1105).
func (p *params) get(name string) (value string, sent bool, r *refusal) {
	value, sent = p.values[name]
	if !sent {
		return "", false, nil
	}
	p.read++
	if value == "" {
		return "", true, refuse(codeEmptyParam, "Parameter '%s' was empty.", name)
	}
	return value, true, nil
}

// unread refuses a call that sent parameters which the endpoint does not know (-1104).
func (p *params) unread() *refusal {
	if p.read == len(p.values) {
		return nil
	}
	return refuse(codeUnreadParams, "Not all sent parameters were read; read '%d' parameter(s) but was sent '%d'.", p.read, len(p.values))
}

// symbol reads the mandatory symbol and checks its letters.
func (p *params) symbol() (string, *refusal) {
	value, sent := p.values["symbol"]
	if !sent || value == "" {
		return "", missing("symbol")
	}
	p.read++
	if !legalSymbol(value) {
		return "", illegalChars("symbol", patternSymbol)
	}
	return value, nil
}

// legalSymbol tells whether s is a symbol by the exchange's pattern: 1 to 50 letters, digits, or
// - . _, none of them a lower-case ASCII letter. Letters beyond ASCII exist since 2025-12.
func legalSymbol(s string) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > candle.MaxSymbolLen {
		return false
	}
	for _, r := range s {
		switch {
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		case r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		default:
			return false
		}
	}
	return true
}

// interval reads the mandatory interval; case matters.
func (p *params) interval() (candle.Timeframe, *refusal) {
	value, sent := p.values["interval"]
	if !sent || value == "" {
		return 0, missing("interval")
	}
	p.read++
	tf, err := candle.ParseTimeframe(value)
	if err != nil {
		return 0, refuse(codeBadInterval, "Invalid interval.")
	}
	return tf, nil
}

// number reads an optional number of at most 20 digits. One beyond int64 is taken as the largest
// int64: values outside the supported era are adjusted silently (EXCHANGES.md 2.2).
func (p *params) number(name string) (n int64, sent bool, r *refusal) {
	value, sent, r := p.get(name)
	if r != nil || !sent {
		return 0, sent, r
	}
	if len(value) > 20 || strings.Trim(value, "0123456789") != "" {
		return 0, true, illegalChars(name, patternNumber)
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		n = 1<<63 - 1 // only its size can be wrong: it is all digits
	}
	return n, true, nil
}

// startTime reads startTime in ms or µs; a µs value inside a millisecond is rounded up, because
// candles open on whole milliseconds and open ≥ startTime is asked for.
func (p *params) startTime() (t candle.Millis, sent bool, r *refusal) {
	n, sent, r := p.number("startTime")
	if n >= microsFrom {
		n = (n-1)/1000 + 1
	}
	return candle.Millis(n), sent, r
}

// endTime reads endTime in ms or µs, rounded down.
func (p *params) endTime() (t candle.Millis, sent bool, r *refusal) {
	n, sent, r := p.number("endTime")
	if n >= microsFrom {
		n /= 1000
	}
	return candle.Millis(n), sent, r
}

// timeZone reads timeZone: hours with optional minutes ("8", "-1:00", "05:45"), −12:00 to +14:00
// (SIM-R9).
func (p *params) timeZone(code int) (Zone, *refusal) {
	value, sent, r := p.get("timeZone")
	if r != nil || !sent {
		return 0, r
	}
	zone, legal := parseZone(value)
	if !legal {
		return 0, refuse(code, "Data sent for parameter 'timeZone' is not valid.")
	}
	return zone, nil
}

func parseZone(s string) (Zone, bool) {
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	hours, minutes, split := strings.Cut(s, ":")
	h, hoursOK := twoDigits(hours)
	m := 0
	if split {
		var minutesOK bool
		if m, minutesOK = twoDigits(minutes); !minutesOK || len(minutes) != 2 || m > 59 {
			return 0, false
		}
	}
	zone := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if negative {
		zone = -zone
	}
	return zone, hoursOK && zone >= -12*time.Hour && zone <= 14*time.Hour
}

func twoDigits(s string) (int, bool) {
	if len(s) < 1 || len(s) > 2 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// symbolList reads a compact JSON array of symbols: no blanks, double quotes (SIM-R10).
func (p *params) symbolList() (symbols []string, sent bool, r *refusal) {
	value, sent, r := p.get("symbols")
	if r != nil || !sent {
		return nil, sent, r
	}
	inner, opened := strings.CutPrefix(value, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !opened || !closed {
		return nil, true, illegalChars("symbols", patternSymbols)
	}
	seen := make(map[string]bool)
	for item := range strings.SplitSeq(inner, ",") {
		if inner == "" {
			break
		}
		name, quoted := strings.CutPrefix(item, `"`)
		name, unquoted := strings.CutSuffix(name, `"`)
		if !quoted || !unquoted || !legalSymbol(name) {
			return nil, true, illegalChars("symbols", patternSymbols)
		}
		if seen[name] {
			return nil, true, refuse(codeDuplicateSymbols, "Symbol is present multiple times in the list.")
		}
		seen[name] = true
		symbols = append(symbols, name)
	}
	return symbols, true, nil
}

// timeUnit reads the header X-MBX-TIME-UNIT, or a stream's timeUnit.
func timeUnit(value string) (micros bool, r *refusal) {
	switch value {
	case "", "MILLISECOND", "millisecond":
		return false, nil
	case "MICROSECOND", "microsecond":
		return true, nil
	}
	return false, refuse(codeBadTimeUnit, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
}
