package collect

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange/binance"
	"velador/internal/klineapi"
	"velador/internal/simulate"
)

type zsink struct {
	mu      sync.Mutex
	candles map[string][]candle.Candle
	gaps    []candle.Gap
}

func (s *zsink) Candle(_ context.Context, r candle.Series, c candle.Candle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.candles[r.Symbol] = append(s.candles[r.Symbol], c)
	return nil
}
func (s *zsink) Gap(_ context.Context, g candle.Gap) error           { s.gaps = append(s.gaps, g); return nil }
func (s *zsink) Forming(candle.Series, candle.Candle, candle.Millis) {}
func (s *zsink) Flush(context.Context) error                         { return nil }

func mm(s string) candle.Millis {
	x, err := candle.ParseMillis(s)
	if err != nil {
		panic(err)
	}
	return x
}

func TestE2E(t *testing.T) {
	speed, _ := strconv.ParseFloat(os.Getenv("SPEED"), 64)
	if speed == 0 {
		speed = 1000
	}
	sim, err := simulate.New(simulate.Options{DataDir: "../../../shared/data/binance-spot/archive-daily", From: mm("2023-03-24T" + os.Getenv("FROM") + ":00:07"), To: mm("2023-03-25T06:00"), Speed: speed, Seed: uint64(time.Now().UnixNano())})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sim.Handler())
	defer srv.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go sim.Run(ctx)
	if os.Getenv("FAULTS") != "" {
		f := sim.API().Faults()
		for _, x := range []klineapi.Fault{
			{Kind: klineapi.StreamLostClose, Rate: 0.05}, {Kind: klineapi.StreamLateClose, Rate: 0.05}, {Kind: klineapi.FrameDuplicate, Rate: 0.02},
			{Kind: klineapi.FrameDrop, Rate: 0.02}, {Kind: klineapi.FrameGarbage, Rate: 0.01}, {Kind: klineapi.FrameStale, Rate: 0.01},
			{Kind: klineapi.FrameReset, Rate: 0.0002}, {Kind: klineapi.RestServerError, Rate: 0.05}, {Kind: klineapi.RestTruncated, Rate: 0.05}, {Kind: klineapi.RestReset, Rate: 0.03},
			{Kind: klineapi.StreamWrongOrder, Rate: 0.01},
		} {
			if _, err := f.Add(x); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := &zsink{candles: map[string][]candle.Candle{}}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ex := binance.New(binance.Config{RESTURL: srv.URL, WSURL: "ws" + strings.TrimPrefix(srv.URL, "http"), Logger: log})
	c := New(Config{Exchange: ex, Sink: s, Logger: log, Spec: collector.Spec{Exchange: "binance", Selector: "BTCUSDT,ETHUSDT,ARBUSDT,SOLUSDT", Timeframe: candle.Minute1, Since: mm("2023-03-24T06:00")}})
	cctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- c.Run(cctx) }()
	for sim.Now() < mm("2023-03-25T06:00:58") {
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(8 * time.Second)
	fmt.Printf("%+v\n", c.Snapshot())
	stop()
	fmt.Println("run:", <-done)
	for _, f := range c.series {
		fmt.Printf("%s last %s lateAt %s now %s idle %d tries %d behind %v asking %v failures %d retryIn %s pending %d holeAt %s\n", f.series, f.last, f.lateAt, c.clock.now, f.idle, f.tries, f.behind, f.asking, f.failures, time.Until(f.retryAt), len(f.pending), f.holeAt)
	}
	cnt := sim.API().Counters()
	fmt.Printf("%+v\n", cnt)
	for sym, rows := range s.candles {
		want := sim.Source().Rows(sym, candle.Minute1, 0, sim.Now(), candle.Range{From: mm("2023-03-24T06:00"), To: mm("2023-03-25T05:59")}, 100000, false)
		have := map[candle.Millis]candle.Candle{}
		order := 0
		var last candle.Millis
		for _, r := range rows {
			if _, dup := have[r.OpenTime]; dup {
				t.Errorf("%s dup %s", sym, r.OpenTime)
			}
			have[r.OpenTime] = r
			if r.OpenTime < last {
				order++
			}
			last = max(last, r.OpenTime)
		}
		bad := 0
		for _, w := range want {
			if h, ok := have[w.OpenTime]; !ok || h != w.Candle {
				bad++
				if bad < 5 {
					t.Errorf("%s %s missing or different %v\n%v", sym, w.OpenTime, h, w.Candle)
				}
			}
		}
		fmt.Println(sym, "came", len(rows), "want", len(want), "bad", bad, "out of order", order)
	}
	for _, g := range s.gaps {
		fmt.Println(g.Series.Symbol, g.Range, g.State, g.Proofs)
	}
}
