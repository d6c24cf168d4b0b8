package klineapi

import (
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"velador/internal/candle"
)

// topicKind is what a stream carries.
type topicKind uint8

const (
	topicSilent  topicKind = iota // well-formed, acknowledged, and nothing ever comes (SIM-W4)
	topicKline                    // <symbol>@kline_<interval>[@+08:00]
	topicMini                     // <symbol>@miniTicker
	topicMiniAll                  // !miniTicker@arr
)

// topic is a stream's name, understood.
type topic struct {
	name   string
	kind   topicKind
	symbol string // upper case; "" with topicMiniAll
	tf     candle.Timeframe
	zone   Zone
}

// maxTopicLen bounds a stream's name, in bytes.
const maxTopicLen = 256

// parseTopic reads a stream's name; false when its form is wrong. An ack proves syntax only: names
// of unknown symbols, intervals and kinds are well-formed (EXCHANGES.md 2.11).
func parseTopic(name string) (topic, bool) {
	t := topic{name: name}
	if name == "" || len(name) > maxTopicLen || !utf8.ValidString(name) {
		return t, false
	}
	head, rest, _ := strings.Cut(name, "@")
	if all, forAll := strings.CutPrefix(head, "!"); forAll {
		if !word(all) || rest != "" && !segments(rest) || strings.HasSuffix(name, "@") {
			return t, false
		}
		if name == "!miniTicker@arr" {
			t.kind = topicMiniAll
		}
		return t, true
	}
	if !word(head) || !segments(rest) {
		return t, false
	}
	if head != strings.ToLower(head) {
		return t, true // an upper-case symbol is well-formed and silent
	}
	t.symbol = strings.ToUpper(head)
	what, variant, varied := strings.Cut(rest, "@")
	if interval, kline := strings.CutPrefix(what, "kline_"); kline {
		tf, err := candle.ParseTimeframe(interval)
		if err != nil || varied && variant != "+08:00" { // no other offset exists (EXCHANGES.md 2.12)
			return t, true
		}
		t.kind, t.tf = topicKline, tf
		if varied {
			t.zone = 8 * time.Hour
		}
	}
	if rest == "miniTicker" {
		t.kind = topicMini
	}
	return t, true
}

// word tells whether s may be a symbol or the name of a stream of all symbols.
func word(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return s != ""
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// segments tells whether s is what follows a symbol: parts of ASCII letters, digits and a few signs,
// with an @ between them.
func segments(s string) bool {
	for part := range strings.SplitSeq(s, "@") {
		if part == "" || strings.Trim(part, alphanumeric+"_+-:.") != "" {
			return false
		}
	}
	return true
}

// requested gives the stream names that a handshake's URL asks for, and whether times are wanted in
// microseconds (SIM-W1). A + is a plus sign, not a blank: names may end in @+08:00.
func requested(u *url.URL, kind string) (names []string, micros bool, r *refusal) {
	text := strings.TrimPrefix(strings.TrimPrefix(u.EscapedPath(), kind), "/")
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "streams":
			if kind == "/stream" {
				text = value
			}
		case "timeUnit":
			if micros, r = timeUnit(value); r != nil {
				return nil, false, r
			}
		}
	}
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return nil, false, refuse(codeIllegalChars, "Illegal characters found in a parameter.")
	}
	if decoded != "" {
		names = strings.Split(decoded, "/")
	}
	return names, micros, nil
}
