package candle

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Bounds of a selector, so that one request cannot carry a dictionary.
const (
	MaxSelectorLen   = 16 << 10 // bytes
	MaxSelectorParts = 1024     // a connection carries no more streams (EXCHANGES.md 2.10)
)

// Selector says which symbols a collector follows: one symbol (ETHUSDT), a list
// (ETHUSDT,BTCUSDT), globs with * and ? (*USDT), or a mixture.
type Selector struct{ parts []string }

// ParseSelector reads a selector. Blanks around commas are dropped, doubles too; order is kept.
func ParseSelector(text string) (Selector, error) {
	if len(text) > MaxSelectorLen {
		return Selector{}, fmt.Errorf("the selector is %d bytes long, at most %d are allowed", len(text), MaxSelectorLen)
	}
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if err := CheckSymbol(strings.NewReplacer("*", "X", "?", "X").Replace(part)); err != nil {
			return Selector{}, err
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) > MaxSelectorParts {
		return Selector{}, fmt.Errorf("the selector names %d symbols, at most %d are allowed", len(parts), MaxSelectorParts)
	}
	return Selector{parts: parts}, nil
}

// String gives the selector as ParseSelector reads it.
func (s Selector) String() string { return strings.Join(s.parts, ",") }

// Single tells whether the selector names exactly one symbol, and which.
func (s Selector) Single() (symbol string, ok bool) {
	if len(s.parts) == 1 && !isGlob(s.parts[0]) {
		return s.parts[0], true
	}
	return "", false
}

// Match tells whether the selector follows symbol.
func (s Selector) Match(symbol string) bool {
	return slices.ContainsFunc(s.parts, func(part string) bool {
		if !isGlob(part) {
			return part == symbol
		}
		// A venue's symbol may hold a slash, which path.Match's * does not cross.
		ok, err := path.Match(strings.ReplaceAll(part, "/", "|"), strings.ReplaceAll(symbol, "/", "|"))
		return err == nil && ok
	})
}

// Resolve gives the symbols out of all that the selector follows, in the order of all, and the
// plain names in the selector that all does not hold.
func (s Selector) Resolve(all []string) (followed, unknown []string) {
	for _, symbol := range all {
		if s.Match(symbol) {
			followed = append(followed, symbol)
		}
	}
	for _, part := range s.parts {
		if !isGlob(part) && !slices.Contains(all, part) {
			unknown = append(unknown, part)
		}
	}
	return followed, unknown
}

func isGlob(part string) bool { return strings.ContainsAny(part, "*?") }
