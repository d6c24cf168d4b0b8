package klineapi

import (
	"strconv"
	"strings"
	"sync"

	"velador/internal/candle"
)

const (
	day    candle.Millis = 86_400_000
	hour   candle.Millis = 3_600_000
	minute candle.Millis = 60_000
)

// amount is a sum of decimals in steps of 1e-8, the exchange's own precision: exact, and enough for
// 24 hours of any market's volume. Digits beyond the eighth place are cut.
type amount struct{ whole, fraction int64 }

const fractionUnit = 100_000_000

func (a *amount) add(b amount) {
	a.whole += b.whole
	if a.fraction += b.fraction; a.fraction >= fractionUnit {
		a.fraction -= fractionUnit
		a.whole++
	}
}

// amountOf reads a decimal that is not negative.
func amountOf(d candle.Decimal) amount {
	whole, fraction, _ := strings.Cut(d.String(), ".")
	var a amount
	for _, c := range []byte(whole) {
		a.whole = a.whole*10 + int64(c-'0')
	}
	for i := range 8 {
		a.fraction *= 10
		if i < len(fraction) {
			a.fraction += int64(fraction[i] - '0')
		}
	}
	return a
}

// append appends the amount with 8 places.
func (a amount) append(dst []byte) []byte {
	dst = append(strconv.AppendInt(dst, a.whole, 10), '.')
	digits := strconv.AppendInt(nil, fractionUnit+a.fraction, 10)
	return append(dst, digits[1:]...)
}

func (a amount) String() string { return string(a.append(nil)) }

// span is what many rows are together.
type span struct {
	open, high, low, close candle.Decimal
	volume, quote          amount
	trades                 int64
	firstTrade, lastTrade  int64 // -1 without trades
	rows                   int
}

func newSpan() span { return span{firstTrade: -1, lastTrade: -1} }

// add appends a later row.
func (s *span) add(r *Row) {
	s.join(span{open: r.Open, high: r.High, low: r.Low, close: r.Close, volume: amountOf(r.Volume), quote: amountOf(r.QuoteVolume),
		trades: r.Trades, firstTrade: r.FirstTrade, lastTrade: r.LastTrade, rows: 1})
}

// join appends a later span.
func (s *span) join(t span) {
	if t.rows == 0 {
		return
	}
	if s.rows == 0 {
		s.open, s.high, s.low = t.open, t.high, t.low
	}
	if t.high.Compare(s.high) > 0 {
		s.high = t.high
	}
	if t.low.Compare(s.low) < 0 {
		s.low = t.low
	}
	s.close = t.close
	s.volume.add(t.volume)
	s.quote.add(t.quote)
	s.trades += t.trades
	if s.firstTrade < 0 {
		s.firstTrade = t.firstTrade
	}
	if t.lastTrade >= 0 {
		s.lastTrade = t.lastTrade
	}
	s.rows += t.rows
}

// windows gives the rolling 24 hours of symbols. What lies within them for a whole hour long is
// kept: per symbol the minutes of the oldest hour, which leave one by one, and the 23 hours after it
// as one span.
type windows struct {
	source Source
	mu     sync.Mutex
	kept   map[string]*keptWindow
}

type keptWindow struct {
	hour   candle.Millis // the hour that it is good for
	edge   []edgeMinute
	middle span
}

type edgeMinute struct {
	open candle.Millis
	span span
}

func newWindows(source Source) *windows {
	return &windows{source: source, kept: make(map[string]*keptWindow)}
}

// at gives the rolling 24 hours of a known symbol at now, to the minute. Without trades in that
// time the prices are absent.
func (w *windows) at(symbol string, now candle.Millis) span {
	thisHour := now - now%hour
	current := newSpan()
	for _, r := range w.source.Rows(symbol, candle.Hour1, 0, now, candle.Range{From: thisHour, To: thisHour}, 1, true) {
		current.add(&r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.kept[symbol]
	if k == nil || k.hour != thisHour {
		k = w.load(symbol, thisHour, now)
		w.kept[symbol] = k
	}
	total := newSpan()
	for _, m := range k.edge {
		if m.open >= now-day {
			total.join(m.span)
		}
	}
	total.join(k.middle)
	total.join(current)
	return total
}

func (w *windows) load(symbol string, thisHour, now candle.Millis) *keptWindow {
	k := &keptWindow{hour: thisHour, middle: newSpan()}
	edge := thisHour - day
	for _, r := range w.source.Rows(symbol, candle.Minute1, 0, now, candle.Range{From: edge, To: edge + hour - minute}, 60, false) {
		s := newSpan()
		s.add(&r)
		k.edge = append(k.edge, edgeMinute{open: r.OpenTime, span: s})
	}
	for _, r := range w.source.Rows(symbol, candle.Hour1, 0, now, candle.Range{From: edge + hour, To: thisHour - hour}, 24, false) {
		k.middle.add(&r)
	}
	return k
}

// last gives the newest row of a symbol, whatever its age.
func (w *windows) last(symbol string, now candle.Millis) (Row, bool) {
	rows := w.source.Rows(symbol, candle.Minute1, 0, now, candle.Range{From: 0, To: now}, 1, true)
	if len(rows) == 0 {
		return Row{}, false
	}
	return rows[len(rows)-1], true
}
