package candle

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxSymbolLen is the longest symbol that Binance accepts, in characters (EXCHANGES.md 2.2).
const MaxSymbolLen = 50

// Series is one unbroken line of candles. It is comparable and may be a map key.
type Series struct {
	Exchange  string // the venue's name in lower case: binance
	Symbol    string // the venue's own name of the market: ETHUSDT
	Timeframe Timeframe
}

// String gives the series in one word, for logs and messages: binance:ETHUSDT:1m.
func (s Series) String() string {
	return s.Exchange + ":" + s.Symbol + ":" + s.Timeframe.String()
}

// CheckSymbol tells what keeps a text from being a symbol on any venue: it is empty, too long, not
// UTF-8, or holds blanks, control characters or one of the signs that selectors, paths and subjects
// give a meaning of their own. Symbols may hold letters beyond ASCII (EXCHANGES.md 2.2).
func CheckSymbol(symbol string) error {
	switch n := utf8.RuneCountInString(symbol); {
	case symbol == "":
		return fmt.Errorf("the symbol is empty: give one such as ETHUSDT")
	case n > MaxSymbolLen:
		return fmt.Errorf("the symbol %.20q… has %d characters, at most %d are allowed", symbol, n, MaxSymbolLen)
	case !utf8.ValidString(symbol):
		return fmt.Errorf("the symbol %q is not UTF-8", symbol)
	}
	for _, r := range symbol {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' && r != '.' && r != ':' && r != '/' {
			return fmt.Errorf("the symbol %q holds %q, which no symbol has", symbol, r)
		}
	}
	return nil
}
