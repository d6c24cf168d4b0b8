package simulate

import (
	"velador/internal/candle"
	"velador/internal/klineapi"
)

// bar is a candle as numbers to reckon with. Rows that are served as recorded never pass through it.
type bar struct {
	openTime, closeTime    candle.Millis
	open, high, low, close amount
	volume, quote          amount
	takerVolume, taker     amount // base and quote asset bought by takers
	trades                 int64
	first, last            int64 // trade ids, -1 without trades
}

// traded tells whether anything was traded; five-column recordings know volumes but no trades.
func (b bar) traded() bool { return b.trades > 0 || !b.volume.isZero() }

// flat is the bar before its first trade: all prices at the open, nothing traded.
func (b bar) flat() bar {
	return bar{openTime: b.openTime, closeTime: b.closeTime, open: b.open, high: b.open, low: b.open, close: b.open, first: -1, last: -1}
}

// join continues b with the bar that follows it. The rule was measured on the exchange's own
// candles, 0 differences in 102,077 (the recordings' MANIFEST, "teach" 1): open, high, low and close
// come from candles with trades only, because a candle without trades shows a price at which
// nothing was traded in it; volumes are sums; only where none had trades the flat one stands.
func (b bar) join(next bar) bar {
	sum := b
	sum.closeTime = next.closeTime
	if !next.traded() {
		if !b.traded() {
			sum.close = next.close
			sum.high, sum.low = maxAmount(b.high, next.high), minAmount(b.low, next.low)
		}
		return sum
	}
	if !b.traded() {
		next.openTime = b.openTime
		return next
	}
	sum.high, sum.low, sum.close = maxAmount(b.high, next.high), minAmount(b.low, next.low), next.close
	sum.volume, sum.quote = b.volume.plus(next.volume), b.quote.plus(next.quote)
	sum.takerVolume, sum.taker = b.takerVolume.plus(next.takerVolume), b.taker.plus(next.taker)
	sum.trades += next.trades
	if sum.first < 0 {
		sum.first = next.first
	}
	if next.last >= 0 {
		sum.last = next.last
	}
	return sum
}

// row writes the bar as the exchange would, in decimals of 8 places.
func (b bar) row() klineapi.Row {
	var ends [8]int
	text := make([]byte, 0, 160)
	for i, a := range [...]amount{b.open, b.high, b.low, b.close, b.volume, b.quote, b.takerVolume, b.taker} {
		text = a.append(text)
		ends[i] = len(text)
	}
	all := string(text)
	var decimals [8]candle.Decimal
	for i, start := 0, 0; i < len(ends); i++ {
		decimals[i] = mustDecimal(all[start:ends[i]])
		start = ends[i]
	}
	return klineapi.Row{
		Candle: candle.Candle{
			OpenTime: b.openTime, CloseTime: b.closeTime, Trades: b.trades,
			Open: decimals[0], High: decimals[1], Low: decimals[2], Close: decimals[3],
			Volume: decimals[4], QuoteVolume: decimals[5], TakerBuyVolume: decimals[6], TakerBuyQuoteVolume: decimals[7],
		},
		FirstTrade: b.first, LastTrade: b.last,
	}
}
