package cli

import (
	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/store"
)

// liveMarket shows the server what travels on the bus.
type liveMarket struct{ bus *bus.Conn }

// Forming shows the forms of a candle that is not closed.
func (m liveMarket) Forming(series candle.Series, show func(candle.Candle)) (stop func(), err error) {
	return m.bus.SubscribeForming(series, func(c candle.Candle, _ candle.Millis) { show(c) })
}

// Stored tells where candles have been stored, by whichever server's writer.
func (m liveMarket) Stored(series candle.Series, tell func(candle.Range)) (stop func(), err error) {
	return m.bus.SubscribeStored(series, tell)
}

// tellStored announces what was committed, for those who follow a series: a stretch for each.
func tellStored(conn *bus.Conn) func([]store.Entry) {
	var spans map[candle.Series]candle.Range // used again; the writer calls from one goroutine
	return func(entries []store.Entry) {
		if spans == nil {
			spans = make(map[candle.Series]candle.Range)
		}
		clear(spans)
		for i := range entries {
			e := &entries[i]
			if e.Gap != nil || e.Audit != nil {
				continue
			}
			span, known := spans[e.Series]
			if !known {
				span = candle.Range{From: e.Candle.OpenTime, To: e.Candle.OpenTime}
			}
			spans[e.Series] = candle.Range{From: min(span.From, e.Candle.OpenTime), To: max(span.To, e.Candle.OpenTime)}
		}
		for series, span := range spans {
			conn.PublishStored(series, span)
		}
	}
}
