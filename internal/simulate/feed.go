package simulate

import (
	"math"
	"slices"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// feed answers klineapi.Source from instruments. Its answers depend on the instruments and the
// arguments alone; what it remembers only saves work.
type feed struct {
	instruments map[string]*instrument
	order       []string
	haltStatus  string // what a market is called that is listed and has no candle at the moment
	sums        *sums
}

var _ klineapi.Source = (*feed)(nil)

// Statuses of a market (EXCHANGES.md 2.6).
const (
	statusTrading = "TRADING"
	statusBreak   = "BREAK"
	statusHalt    = "HALT"
)

func newFeed(instruments []*instrument, haltStatus string) *feed {
	f := &feed{instruments: make(map[string]*instrument, len(instruments)), haltStatus: haltStatus, sums: newSums()}
	for _, in := range instruments {
		f.instruments[in.market.Symbol] = in
		f.order = append(f.order, in.market.Symbol)
	}
	return f
}

// Markets lists the markets as they are at now. Before its first row a symbol is in BREAK, as the
// exchange lists ahead.
func (f *feed) Markets(now candle.Millis) []klineapi.Market {
	markets := make([]klineapi.Market, 0, len(f.order))
	for _, symbol := range f.order {
		in := f.instruments[symbol]
		m := in.market
		m.Status = f.status(in, now)
		markets = append(markets, m)
	}
	return markets
}

func (f *feed) status(in *instrument, now candle.Millis) string {
	base := in.base()
	if base == nil {
		return statusBreak
	}
	i := base.search(now + 1)
	if i == 0 {
		if first, _ := in.first(); first <= now {
			return statusTrading // known by longer candles only
		}
		return statusBreak
	}
	if i < base.len() { // a hole needs a far side: after the recording's end nothing is known
		if now >= closingInstant(base.openTime(i-1), base.closeTime(i-1)) {
			return f.haltStatus
		}
	}
	return statusTrading
}

// known gives the view of a series, nothing of it when the symbol or the timeframe is not known.
func (f *feed) known(symbol string, tf candle.Timeframe, zone klineapi.Zone) (view, bool) {
	in := f.instruments[symbol]
	if in == nil || !tf.Valid() {
		return view{}, false
	}
	v := in.view(tf, zone)
	return v, v.own != nil || len(v.bases) > 0
}

// Rows gives the rows of a series as they are at now whose open time lies in r.
func (f *feed) Rows(symbol string, tf candle.Timeframe, zone klineapi.Zone, now candle.Millis, r candle.Range, limit int, newest bool) []klineapi.Row {
	v, ok := f.known(symbol, tf, zone)
	r.To = min(r.To, now)
	if !ok || limit <= 0 || r.Empty() {
		return nil
	}
	if newest {
		return f.newest(v, now, r, limit)
	}
	var rows []klineapi.Row
	start, _ := interval(v.tf, v.zone, max(r.From, 0))
	for len(rows) < limit {
		at, ok := v.following(start)
		if !ok || at > r.To {
			break
		}
		var end candle.Millis
		start, end = interval(v.tf, v.zone, at)
		for _, row := range v.rowsIn(start, end, now, f.sums) {
			if r.Contains(row.OpenTime) && len(rows) < limit {
				rows = append(rows, row.Row)
			}
		}
		start = end
	}
	return rows
}

func (f *feed) newest(v view, now candle.Millis, r candle.Range, limit int) []klineapi.Row {
	var rows []klineapi.Row
	for until := r.To; len(rows) < limit; {
		at, ok := v.preceding(until)
		if !ok {
			break
		}
		start, end := interval(v.tf, v.zone, at)
		if end <= r.From {
			break
		}
		for _, row := range slices.Backward(v.rowsIn(start, end, now, f.sums)) {
			if r.Contains(row.OpenTime) && len(rows) < limit {
				rows = append(rows, row.Row)
			}
		}
		until = start - 1
	}
	slices.Reverse(rows)
	return rows
}

// At gives the candle that is forming at now; none in a hole.
func (f *feed) At(symbol string, tf candle.Timeframe, zone klineapi.Zone, now candle.Millis) (klineapi.Row, bool) {
	v, ok := f.known(symbol, tf, zone)
	if !ok {
		return klineapi.Row{}, false
	}
	at, ok := v.preceding(now)
	if !ok {
		return klineapi.Row{}, false
	}
	start, end := interval(v.tf, v.zone, at)
	rows := v.rowsIn(start, end, now, f.sums)
	if len(rows) == 0 {
		return klineapi.Row{}, false
	}
	last := rows[len(rows)-1]
	return last.Row, last.over > now
}

// Closing gives the candles that closed in (after, now].
func (f *feed) Closing(symbol string, tf candle.Timeframe, zone klineapi.Zone, after, now candle.Millis) []klineapi.Row {
	v, ok := f.known(symbol, tf, zone)
	if !ok || now <= after {
		return nil
	}
	step := candle.Millis(v.tf.Step().Milliseconds())
	var closed []served
	for until := now; ; {
		at, ok := v.preceding(until)
		if !ok {
			break
		}
		start, end := interval(v.tf, v.zone, at)
		if end+step <= after { // a row that opened off the grid may close in the next interval
			break
		}
		for _, row := range slices.Backward(v.rowsIn(start, end, now, f.sums)) {
			if row.over > after && row.over <= now {
				closed = append(closed, row)
			}
		}
		until = start - 1
	}
	rows := make([]klineapi.Row, 0, len(closed))
	for _, row := range slices.Backward(closed) {
		rows = append(rows, row.Row)
	}
	return rows
}

// served gives the rows of a series that are over at now and open in [from, to]: what a client that
// missed nothing has stored.
func (f *feed) served(symbol string, tf candle.Timeframe, now candle.Millis, r candle.Range) []candle.Candle {
	const page = 4096
	var candles []candle.Candle
	for {
		rows := f.Rows(symbol, tf, 0, now, r, page, false)
		for _, row := range rows {
			if closingInstant(row.OpenTime, row.CloseTime) <= now {
				candles = append(candles, row.Candle)
			}
		}
		if len(rows) < page || r.From == math.MaxInt64 {
			return candles
		}
		r.From = rows[len(rows)-1].OpenTime + 1
	}
}
