package simulate

import (
	"slices"
	"strings"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// quoteAssets are what symbols end in, where the file name does not part base from quote. Longer
// ones first: FDUSD before USD.
var quoteAssets = []string{
	"FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USDS", "BIDR", "IDRT", "BVND", "DAI", "VAI", "PAX", "BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "SOL",
	"EUR", "GBP", "TRY", "BRL", "AUD", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "JPY", "MXN", "CZK", "COP", "USD", "DOT",
}

// splitSymbol parts a symbol as well as its letters tell.
func splitSymbol(symbol string) (base, quote string) {
	for _, quote := range quoteAssets {
		if base, ok := strings.CutSuffix(symbol, quote); ok && base != "" {
			return base, quote
		}
	}
	return symbol, ""
}

// instruments makes the recording's series instruments, in the order of their symbols.
func (r *Recording) instruments(seed uint64) []*instrument {
	var all []*instrument
	for _, symbol := range r.Symbols() {
		s := r.symbols[symbol]
		in := &instrument{seed: mix(seed, mixString(symbol))}
		in.market = klineapi.Market{Symbol: symbol, Base: s.base, Quote: s.quote}
		if s.base == "" {
			in.market.Base, in.market.Quote = splitSymbol(symbol)
		}
		for tf, reel := range s.reels {
			in.lines[tf] = reel.tape()
		}
		if base := in.base(); base != nil {
			in.market.TickSize, in.market.StepSize = gridOf(base)
			all = append(all, in)
		}
	}
	return all
}

// gridOf reads tick and step size off the places that prices and volumes use. It samples: a grid
// shows in any thousand rows.
func gridOf(l line) (tick, step candle.Decimal) {
	pricePlaces, volumePlaces := 0, 0
	for i := 0; i < l.len(); i += max(1, l.len()/1000) {
		b := l.bar(i)
		for _, price := range []amount{b.open, b.high, b.low, b.close} {
			pricePlaces = max(pricePlaces, price.places())
		}
		volumePlaces = max(volumePlaces, b.volume.places())
	}
	// Eight places are the exchange's own bound; more are a float's noise.
	return scaledAmount(1, min(8, pricePlaces)).decimal(), scaledAmount(1, min(8, volumePlaces)).decimal()
}

// start is where a replay begins: with the first row of the shortest timeframe recorded, so that its
// whole stretch is played. Longer candles from before are history by then.
func start(instruments []*instrument) candle.Millis {
	for tf := candle.Second1; tf <= candle.Month1; tf++ {
		var opens []candle.Millis
		for _, in := range instruments {
			if l := in.lines[tf]; l != nil && l.len() > 0 {
				opens = append(opens, l.openTime(0))
			}
		}
		if len(opens) > 0 {
			return slices.Min(opens)
		}
	}
	return 0
}

// ending is the instant at which the last row of all is over.
func ending(instruments []*instrument) candle.Millis {
	var end candle.Millis
	for _, in := range instruments {
		for _, l := range in.lines {
			if l != nil && l.len() > 0 {
				last := l.len() - 1
				end = max(end, closingInstant(l.openTime(last), l.closeTime(last)))
			}
		}
	}
	return end
}
