package e2e

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange/binance"
	"velador/internal/exchange/exchangetest"
	"velador/internal/klineapi"
	"velador/internal/simulate"
)

// TestBinanceKeepsTheContractOnTheSimulator holds the adapter against the contract on the simulator,
// which was written by other hands than the adapter's own double.
func TestBinanceKeepsTheContractOnTheSimulator(t *testing.T) {
	t.Parallel()
	exchangetest.Run(t, func(t *testing.T) exchangetest.Venue {
		from, err := candle.ParseMillis("2026-03-02T10:00:00Z")
		if err != nil {
			t.Fatal(err)
		}
		wall := true // what counts seconds counts ours: the clock stands
		sim, err := simulate.New(simulate.Options{From: from, Paused: true, WallControl: &wall})
		if err != nil {
			t.Fatal(err)
		}
		// Thirty hours on, the market that was listed in the beginning has more than a page of candles,
		// with the hole that a halt left.
		if err := sim.Clock().Step(30*time.Hour + 30*time.Second); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(sim.Handler())
		ended := make(chan error, 1)
		go func() { ended <- sim.Run(t.Context()) }() // t.Context ends before clean-ups run
		t.Cleanup(func() {
			sim.API().CutConnections(true)
			server.Close()
			<-ended
		})
		venue := binance.New(binance.Config{RESTURL: server.URL, WSURL: "ws" + strings.TrimPrefix(server.URL, "http"), Silence: 400 * time.Millisecond})
		t.Cleanup(venue.CloseIdle)
		series := candle.Series{Exchange: venue.Name(), Symbol: "VELAUSDT", Timeframe: candle.Minute1}
		closed := sim.Served(series, 0, sim.Now())
		forming, ok := sim.Source().At(series.Symbol, series.Timeframe, 0, sim.Now())
		if !ok {
			t.Fatal("no candle is forming")
		}
		fault := func(f klineapi.Fault) {
			if _, err := sim.API().Faults().Add(f); err != nil {
				t.Error(err)
			}
		}
		return exchangetest.Venue{
			Exchange: venue, Symbol: series.Symbol, Unknown: "NOPEUSDT", Timeframe: series.Timeframe,
			Closed: closed, Forming: forming.OpenTime, PageRows: 1000,
			CloseNext: func() candle.Candle {
				row, _ := sim.Source().At(series.Symbol, series.Timeframe, 0, sim.Now())
				end := row.CloseTime + 1
				for sim.Now() < end.Add(time.Second) { // on by the ticks of the stream
					if err := sim.Clock().Step(2 * time.Second); err != nil {
						t.Error(err)
					}
				}
				return sim.Served(series, row.OpenTime, row.OpenTime)[0]
			},
			Ban: func(d time.Duration) { fault(klineapi.Fault{Kind: klineapi.Rest429, RetryAfter: klineapi.Duration(d)}) },
			Requests: func() int {
				n := 0
				for _, calls := range sim.API().Counters().Requests {
					n += int(calls)
				}
				return n
			},
			AnnounceShutdown: func() { sim.API().AnnounceShutdown(time.Minute) },
			GoSilent:         func() { fault(klineapi.Fault{Kind: klineapi.StreamSilence}) },
			Cut:              func() { sim.API().CutConnections(true) },
		}
	})
}
