package simulate

import (
	"sort"
	"strconv"
	"strings"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// line is the rows of one series in their final state, ascending by open time, without doubles.
type line interface {
	len() int
	// openTime, closeTime, row and bar read row i, 0 ≤ i < len; the two times come cheap.
	openTime(i int) candle.Millis
	closeTime(i int) candle.Millis
	row(i int) klineapi.Row
	bar(i int) bar
	// search gives the first row that opens at or after t, or len.
	search(t candle.Millis) int
}

// tape is a recorded line. Its rows stay the very text of the recording, in one long string:
// some 110 bytes a row instead of the 300 of a struct with nine string headers, and every digit of it.
type tape struct {
	tf     candle.Timeframe
	opens  []candle.Millis
	starts []uint32 // where row i begins in text; one more than rows
	ids    []int64  // first trade id of row i; one more than rows
	// text holds the rows one after another, as packRow wrote them.
	text string
}

// zero is what a recording without a column is served with: the exchange always sends a number.
const zero = "0.00000000"

func (t *tape) len() int                     { return len(t.opens) }
func (t *tape) openTime(i int) candle.Millis { return t.opens[i] }

func (t *tape) closeTime(i int) candle.Millis {
	length, _, _ := strings.Cut(t.text[t.starts[i]:t.starts[i+1]], ",")
	if length == "" {
		return t.opens[i] + usualLength(t.tf, t.opens[i])
	}
	return t.opens[i] + candle.Millis(atoi(length))
}

func (t *tape) search(at candle.Millis) int {
	return sort.Search(len(t.opens), func(i int) bool { return t.opens[i] >= at })
}

// packed is a row taken apart without reading its numbers.
type packed struct {
	trades  int64
	numbers [8]string // open, high, low, close, volume, quote, taker base, taker quote
}

// packRow writes what a tape keeps of a row: close time minus open time and the number of trades
// (both empty where they are the usual ones), then the numbers; those that the recording lacks are left away.
func packRow(dst []byte, tf candle.Timeframe, r recordedRow) []byte {
	if length := r.closeTime - r.openTime; length != usualLength(tf, r.openTime) {
		dst = strconv.AppendInt(dst, int64(length), 10)
	}
	dst = append(dst, ',')
	if r.trades != 0 {
		dst = strconv.AppendInt(dst, r.trades, 10)
	}
	for _, number := range r.numbers {
		if number == "" {
			break
		}
		dst = append(append(dst, ','), number...)
	}
	return dst
}

// usualLength is close time minus open time of a candle on the grid.
func usualLength(tf candle.Timeframe, openTime candle.Millis) candle.Millis {
	return tf.Next(openTime) - 1 - openTime
}

func (t *tape) unpack(i int) packed {
	text := t.text[t.starts[i]:t.starts[i+1]]
	_, text, _ = strings.Cut(text, ",") // closeTime reads it
	trades, text, _ := strings.Cut(text, ",")
	var p packed
	if trades != "" {
		p.trades = atoi(trades)
	}
	for k := range p.numbers {
		if text == "" {
			p.numbers[k] = zero
			continue
		}
		p.numbers[k], text, _ = strings.Cut(text, ",")
	}
	return p
}

// atoi reads a whole number that packRow wrote.
func atoi(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic("simulate: a packed row holds " + s)
	}
	return n
}

// trade ids of row i: those of the recording are not known, so they count the trades recorded.
func (t *tape) tradeIDs(i int, trades int64) (first, last int64) {
	if trades == 0 {
		return -1, -1
	}
	return t.ids[i], t.ids[i] + trades - 1
}

func (t *tape) row(i int) klineapi.Row {
	p := t.unpack(i)
	var d [8]candle.Decimal
	for k, number := range p.numbers {
		d[k] = mustDecimal(number)
	}
	r := klineapi.Row{Candle: candle.Candle{
		OpenTime: t.opens[i], CloseTime: t.closeTime(i), Open: d[0], High: d[1], Low: d[2], Close: d[3],
		Volume: d[4], QuoteVolume: d[5], Trades: p.trades, TakerBuyVolume: d[6], TakerBuyQuoteVolume: d[7],
	}}
	r.FirstTrade, r.LastTrade = t.tradeIDs(i, p.trades)
	return r
}

func (t *tape) bar(i int) bar {
	p := t.unpack(i)
	var a [8]amount
	for k, number := range p.numbers {
		a[k], _ = parseAmount(number) // checked when it was recorded
	}
	b := bar{
		openTime: t.opens[i], closeTime: t.closeTime(i), open: a[0], high: a[1], low: a[2], close: a[3],
		volume: a[4], quote: a[5], takerVolume: a[6], taker: a[7], trades: p.trades,
	}
	b.first, b.last = t.tradeIDs(i, p.trades)
	return b
}
