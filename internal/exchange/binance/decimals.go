package binance

import (
	"fmt"

	"velador/internal/candle"
)

// The decimals of a candle, in the order in which decimals keeps them.
const (
	openPrice = iota
	highPrice
	lowPrice
	closePrice
	volume
	quoteVolume
	takerVolume
	takerQuoteVolume
	countOfDecimals
)

// decimals gathers the digits of one candle, so that one string holds them all: a candle then
// costs one allocation, and keeps no frame or page alive.
type decimals struct {
	digits   [countOfDecimals * candle.MaxDecimalLen]byte
	end      int
	from, to [countOfDecimals]int
}

// take reads a string and keeps it as the decimal named. The caller refuses a second one of the
// same name.
func (d *decimals) take(which int, s *scanner) {
	at := s.pos
	text := s.text()
	if s.err == nil && (len(text) == 0 || len(text) > candle.MaxDecimalLen || text[0] == '-') {
		s.pos = at
		s.fail("a decimal of zero or more")
	}
	if s.err != nil {
		return
	}
	d.from[which] = d.end
	d.end += copy(d.digits[d.end:], text)
	d.to[which] = d.end
}

// parse gives the decimals, all of which must have come.
func (d *decimals) parse(fields *[countOfDecimals]candle.Decimal) error {
	text := string(d.digits[:d.end])
	for i := range fields {
		parsed, err := candle.ParseDecimal(text[d.from[i]:d.to[i]])
		if err != nil {
			return fmt.Errorf("decimal %d: %w", i+1, err)
		}
		fields[i] = parsed
	}
	return nil
}
