package collect_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
	"velador/internal/collect"
	"velador/internal/collector"
	"velador/internal/exchange/binance"
	"velador/internal/klineapi"
)

// ledger is a sink that keeps candles by open time and takes audits.
type ledger struct {
	*sink  // for what is not kept
	mu     sync.Mutex
	kept   map[string]map[candle.Millis]candle.Candle
	audits map[string][]candle.Audit
	more   chan struct{} // closed and replaced by each audit
}

func (l *ledger) Candle(_ context.Context, series candle.Series, c candle.Candle) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept[series.Symbol] == nil {
		l.kept[series.Symbol] = make(map[candle.Millis]candle.Candle)
	}
	l.kept[series.Symbol][c.OpenTime] = c
	return nil
}

func (l *ledger) Audit(_ context.Context, a candle.Audit) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.audits[a.Series.Symbol] = append(l.audits[a.Series.Symbol], a)
	close(l.more)
	l.more = make(chan struct{})
	return nil
}

// confirmed gives how much of a symbol is confirmed without a hole.
func (l *ledger) confirmed(symbol string) (r candle.Range) {
	for i, a := range l.audits[symbol] {
		if i == 0 {
			r.From = a.Range.From
		} else if a.Range.From != r.To+1 {
			return r
		}
		r.To = a.Range.To
	}
	return r
}

// Hours at the real adapter: frames are lost, doubled and stale, and hour by hour all of it is confirmed
// as the exchange has it.
func TestHoursAreConfirmedAsTheExchangeHasThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hour = 3_600_000
		r := newRig(t, 3000, klineapi.Fault{Kind: klineapi.FrameStale, Rate: 0.1}, klineapi.Fault{Kind: klineapi.FrameDuplicate, Rate: 0.1},
			klineapi.Fault{Kind: klineapi.FrameDrop, Rate: 0.05})
		l := &ledger{kept: make(map[string]map[candle.Millis]candle.Candle), audits: make(map[string][]candle.Audit), more: make(chan struct{})}
		c := collect.New(collect.Config{
			Exchange: r.venue, Sink: l, Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
			Spec: collector.Spec{Exchange: binance.Name, Selector: strings.Join(symbols, ","), Timeframe: candle.Minute1},
		})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		deadline := time.After(patience)
		for done := false; !done; {
			l.mu.Lock()
			more := l.more
			done = !slices.ContainsFunc(symbols, func(symbol string) bool { r := l.confirmed(symbol); return r.To-r.From < 3*hour })
			l.mu.Unlock()
			if done {
				break
			}
			select {
			case <-more:
			case <-deadline:
				t.Error("hours are not confirmed in time")
				done = true
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, symbol := range symbols {
			confirmed := l.confirmed(symbol)
			served := r.sim.Served(candle.Series{Symbol: symbol, Timeframe: candle.Minute1}, confirmed.From, confirmed.To)
			for _, want := range served {
				if got := l.kept[symbol][want.OpenTime]; got != want {
					t.Errorf("%s %s is kept as %+v, the exchange has %+v", symbol, want.OpenTime, got, want)
				}
			}
			rows := 0
			for _, a := range l.audits[symbol] {
				rows += a.Rows
			}
			if rows != len(served) {
				t.Errorf("%s: the audits know %d candles, the exchange has %d", symbol, rows, len(served))
			}
		}
		if n := r.sim.API().Counters(); n.OverLimit != 0 || n.Status429 != 0 {
			t.Errorf("the exchange's limits were broken: %+v", n)
		}
	})
}
