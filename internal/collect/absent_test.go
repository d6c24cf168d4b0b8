package collect

import (
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

func TestAbsentGapsAreAskedForOnceADayAndAreBounded(t *testing.T) {
	t.Parallel()
	p := play{splice: splice{auditing: true, series: candle.Series{Exchange: "test", Symbol: "ETHUSDT", Timeframe: candle.Minute1}}}
	start := instant("10:00")
	r := candle.Resume{Last: start, HasLast: true, ConfirmedTo: start}
	for n := range 2 * maxAbsent {
		from := start.Add(-time.Duration(n+1) * time.Hour)
		r.Ledger = append(r.Ledger, candle.Gap{Range: candle.Range{From: from, To: from}, State: candle.GapAbsent, Proofs: 3, CheckedAt: start})
	}
	p.start(r, 0, start)
	p.behind, p.audit.due = false, start.Add(1000*time.Hour) // they alone
	p.lateAt = start.Add(1000 * time.Hour)
	asked := make(map[candle.Millis][]candle.Millis)
	var hours [24]int
	for now := start; now < start.Add(10*24*time.Hour); now = now.Add(time.Minute) {
		for q := p.ask(now); q.urgency != none; q = p.ask(now) {
			if q.urgency != reread || q.hole == nil {
				t.Fatalf("at %s it asks %+v", now, q)
			}
			asked[q.hole.r.From] = append(asked[q.hole.r.From], now)
			hours[now.Time().Hour()]++
			p.answerGap(q.hole, exchange.Page{Candles: []candle.Candle{bar(q.r.From), bar(q.r.To)}, AsOf: now}, now, &p)
		}
	}
	if len(asked) != maxAbsent || len(p.absent) != maxAbsent {
		t.Errorf("%d gaps were asked for, %d are kept", len(asked), len(p.absent))
	}
	for from, times := range asked {
		if len(times) < 9 || len(times) > 10 {
			t.Errorf("%s was asked for %d times in ten days", from, len(times))
		}
		for i, at := range times {
			if i > 0 && at.Sub(times[i-1]) != 24*time.Hour || i == 0 && (at < start.Add(12*time.Hour-time.Minute) || at > start.Add(36*time.Hour+time.Minute)) {
				t.Errorf("%s was asked for at %s: %v", from, at, times)
			}
		}
	}
	for hour, n := range hours {
		if n > len(asked)*10/6 {
			t.Errorf("%d of %d questions came in hour %d of the day", n, len(asked)*10, hour)
		}
	}
}
