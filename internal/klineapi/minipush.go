package klineapi

import "velador/internal/candle"

// miniPush is the push of a mini ticker, of one symbol or of all: each tick, those that changed
// since the last one (SIM-W16).
type miniPush struct {
	source  Source
	windows *windows
	topic   *topic
	every   candle.Millis
	ticked  candle.Millis
	seen    map[string]glimpse
}

// glimpse is enough of a forming minute to see that trades have come.
type glimpse struct {
	open          candle.Millis
	trades        int64
	volume, close candle.Decimal
}

func newMiniPush(source Source, w *windows, t *topic, every candle.Millis, now candle.Millis) *miniPush {
	p := &miniPush{source: source, windows: w, topic: t, every: every, seen: make(map[string]glimpse)}
	p.ticked = now - now%every
	p.changed(p.ticked)
	return p
}

func (p *miniPush) step(now candle.Millis) ([]*event, candle.Millis) {
	tick := now - now%p.every
	if tick <= p.ticked {
		return nil, p.ticked + p.every
	}
	p.ticked = tick
	changed := p.changed(tick)
	if len(changed) == 0 {
		return nil, tick + p.every
	}
	e := &event{topic: p.topic, at: tick, minis: make([]mini, len(changed))}
	for i, symbol := range changed {
		e.minis[i] = mini{symbol: symbol, span: p.windows.at(symbol, tick)}
	}
	return []*event{e}, tick + p.every
}

// changed gives the symbols that have traded since it was last asked.
func (p *miniPush) changed(now candle.Millis) []string {
	var symbols []string
	for _, m := range p.source.Markets(now) {
		if p.topic.kind == topicMini && m.Symbol != p.topic.symbol {
			continue
		}
		row, forming := p.source.At(m.Symbol, candle.Minute1, 0, now)
		if !forming || !traded(&row) {
			continue
		}
		g := glimpse{open: row.OpenTime, trades: row.Trades, volume: row.Volume, close: row.Close}
		if p.seen[m.Symbol] != g {
			p.seen[m.Symbol] = g
			symbols = append(symbols, m.Symbol)
		}
	}
	return symbols
}
