package klineapi

import (
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"velador/internal/candle"
)

// sentSymbols counts how many symbols a query names, before anything is checked; 0: all of them.
func sentSymbols(query url.Values) int {
	if query.Has("symbol") {
		return 1
	}
	if list := query.Get("symbols"); list != "" {
		return strings.Count(list, ",") + 1
	}
	return 0
}

// weigh24hr gives ticker/24hr's weight (EXCHANGES.md 2.7).
func (a *API) weigh24hr(query url.Values) int {
	switch n := sentSymbols(query); {
	case n >= 1 && n <= 20:
		return a.profile.Weights.TickerFew
	case n >= 1 && n <= 100:
		return a.profile.Weights.TickerSome
	}
	return a.profile.Weights.TickerAll
}

func (a *API) weighPrice(query url.Values) int {
	if sentSymbols(query) == 1 {
		return a.profile.Weights.PriceOne
	}
	return a.profile.Weights.PriceAll
}

// statuses are those that a call may ask for (EXCHANGES.md 2.6).
var statuses = [...]string{"TRADING", "HALT", "BREAK"}

// chosen reads symbol, symbols and symbolStatus of the ticker calls: the markets asked for, and
// whether a bare object is to be answered, not an array.
func (a *API) chosen(c *call) (markets []Market, single bool, r *refusal) {
	p := c.params
	list, many, r := p.symbolList()
	if r != nil {
		return nil, false, r
	}
	if _, one := p.values["symbol"]; one {
		if many {
			return nil, false, refuse(codeBadCombination, "Combination of optional parameters invalid.")
		}
		symbol, r := p.symbol()
		if r != nil {
			return nil, false, r
		}
		list, single = []string{symbol}, true
	}
	status, filtered, r := p.get("symbolStatus")
	if r != nil {
		return nil, false, r
	}
	if filtered && !slices.Contains(statuses[:], status) {
		return nil, false, refuse(codeBadStatus, "Invalid symbolStatus.")
	}
	if markets, r = a.named(list, c.now); r != nil {
		return nil, false, r
	}
	if filtered {
		if single && markets[0].Status != status {
			return nil, false, refuse(codeStatusMismatch, "This symbol's status does not match the requested symbolStatus.")
		}
		markets = slices.DeleteFunc(markets, func(m Market) bool { return m.Status != status })
	}
	return markets, single, nil
}

// named finds markets by symbol, in the order asked for; all of them for an empty list. One unknown
// name fails the whole call (SIM-R10). The slice is the caller's own.
func (a *API) named(list []string, now candle.Millis) ([]Market, *refusal) {
	all := a.source.Markets(now)
	if len(list) == 0 {
		return slices.Clone(all), nil
	}
	found := make([]Market, 0, len(list))
	for _, symbol := range list {
		i := slices.IndexFunc(all, func(m Market) bool { return m.Symbol == symbol })
		if i < 0 {
			return nil, refuse(codeBadSymbol, "Invalid symbol.")
		}
		found = append(found, all[i])
	}
	return found, nil
}

// ticker24hr answers /api/v3/ticker/24hr.
func (a *API) ticker24hr(c *call) ([]byte, *refusal) {
	markets, single, r := a.chosen(c)
	if r != nil {
		return nil, r
	}
	kind, sent, r := c.params.get("type")
	if r != nil {
		return nil, r
	}
	if sent && kind != "FULL" && kind != "MINI" {
		return nil, refuse(codeBadTickerType, "Invalid ticker type.")
	}
	if r = c.params.unread(); r != nil {
		return nil, r
	}
	return list(markets, single, func(dst []byte, m Market) []byte {
		return appendTicker(dst, m, a.windows.at(m.Symbol, c.now), c, kind == "MINI")
	}), nil
}

// tickerPrice answers /api/v3/ticker/price.
func (a *API) tickerPrice(c *call) ([]byte, *refusal) {
	markets, single, r := a.chosen(c)
	if r != nil {
		return nil, r
	}
	if r = c.params.unread(); r != nil {
		return nil, r
	}
	return list(markets, single, func(dst []byte, m Market) []byte {
		row, _ := a.windows.last(m.Symbol, c.now) // no row: the price is zero
		dst = appendQuoted(append(dst, `{"symbol":`...), m.Symbol)
		dst = appendDecimal(append(dst, `,"price":`...), row.Close)
		return append(dst, '}')
	}), nil
}

// list writes one object a market: bare, or in an array.
func list(markets []Market, single bool, object func([]byte, Market) []byte) []byte {
	if single {
		return object(nil, markets[0])
	}
	body := []byte("[")
	for i, m := range markets {
		if i > 0 {
			body = append(body, ',')
		}
		body = object(body, m)
	}
	return append(body, ']')
}

// appendTicker appends a row of ticker/24hr (EXCHANGES.md 2.7). The order book is unknown here: bid
// and ask are the last price and one tick above it, for the least quantity.
func appendTicker(dst []byte, m Market, s span, c *call, mini bool) []byte {
	text := func(name, value string) {
		dst = appendQuoted(append(append(append(dst, ',', '"'), name...), `":`...), value)
	}
	number := func(name string, n int64) {
		dst = strconv.AppendInt(append(append(append(dst, ',', '"'), name...), `":`...), n, 10)
	}
	open, last := rat(s.open), rat(s.close)
	dst = appendQuoted(append(dst, `{"symbol":`...), m.Symbol)
	if !mini {
		change := new(big.Rat).Sub(last, open)
		text("priceChange", change.FloatString(8))
		text("priceChangePercent", ratio(new(big.Rat).Mul(change, big.NewRat(100, 1)), open).FloatString(3))
		text("weightedAvgPrice", ratio(ratOf(s.quote.String()), ratOf(s.volume.String())).FloatString(8))
		text("prevClosePrice", open.FloatString(8))
		text("lastPrice", last.FloatString(8))
		text("lastQty", rat(m.StepSize).FloatString(8))
		text("bidPrice", last.FloatString(8))
		text("bidQty", rat(m.StepSize).FloatString(8))
		text("askPrice", new(big.Rat).Add(last, rat(m.TickSize)).FloatString(8))
		text("askQty", rat(m.StepSize).FloatString(8))
	}
	text("openPrice", open.FloatString(8))
	text("highPrice", rat(s.high).FloatString(8))
	text("lowPrice", rat(s.low).FloatString(8))
	if mini {
		text("lastPrice", last.FloatString(8))
	}
	text("volume", s.volume.String())
	text("quoteVolume", s.quote.String())
	unit := int64(1)
	if c.micros {
		unit = 1000
	}
	number("openTime", int64(c.now-day)*unit)
	number("closeTime", int64(c.now)*unit)
	number("firstId", s.firstTrade)
	number("lastId", s.lastTrade)
	number("count", s.trades)
	return append(dst, '}')
}

// rat gives a decimal's value; absent counts as zero.
func rat(d candle.Decimal) *big.Rat { return ratOf(d.String()) }

func ratOf(text string) *big.Rat {
	r, parsed := new(big.Rat).SetString(text)
	if !parsed {
		return new(big.Rat)
	}
	return r
}

// ratio divides; by zero it gives zero.
func ratio(a, b *big.Rat) *big.Rat {
	if b.Sign() == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).Quo(a, b)
}
