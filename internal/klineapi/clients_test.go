package klineapi

import (
	"context"
	"strings"
	"testing"
	"time"

	binance "github.com/adshao/go-binance/v2"
)

// A client that others wrote, and many use, works against the surface: REST, catalogue and stream.
func TestGoBinanceReadsCandlesCatalogueAndStream(t *testing.T) {
	x := start(t, busy(), 30*time.Second, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	api := binance.NewClient("", "")
	api.BaseURL = x.server.URL
	api.HTTPClient = x.server.Client()

	rows, err := api.NewKlinesService().Symbol("ETHUSDT").Interval("1m").StartTime(int64(t0)).Limit(1).Do(ctx)
	if err != nil || len(rows) != 1 || rows[0].OpenTime != int64(t0) || rows[0].Open != "3000.91000000" || rows[0].TradeNum == 0 {
		t.Fatalf("klines: %v %+v", err, rows)
	}
	info, err := api.NewExchangeInfoService().Symbols("ETHUSDT", "BTCUSDT").Do(ctx)
	if err != nil || len(info.Symbols) != 2 {
		t.Fatalf("exchangeInfo: %v %+v", err, info)
	}
	s := info.Symbols[0]
	if s.BaseAsset != "ETH" || s.QuoteAsset != "USDT" || s.Status != "TRADING" || !s.IsSpotTradingAllowed || len(s.OrderTypes) == 0 || s.PermissionSets[0][0] != "SPOT" ||
		s.PriceFilter().TickSize != "0.01000000" || s.LotSizeFilter().StepSize != "0.00010000" || s.NotionalFilter().MinNotional != "5.00000000" {
		t.Errorf("the symbol is %+v", s)
	}
	if len(info.RateLimits) != 2 || info.RateLimits[0].Limit != 6000 {
		t.Errorf("the limits are %+v", info.RateLimits)
	}
	stats, err := api.NewListPriceChangeStatsService().Symbol("ETHUSDT").Do(ctx)
	if err != nil || len(stats) != 1 || stats[0].Count == 0 || stats[0].LastPrice == "" {
		t.Errorf("ticker: %v %+v", err, stats)
	}
	if _, err = api.NewKlinesService().Symbol("NOSUCH").Interval("1m").Do(ctx); err == nil || !strings.Contains(err.Error(), "-1121") {
		t.Errorf("an unknown symbol: %v", err)
	}

	binance.WebsocketKeepalive = false // its watch would outlive the test
	binance.BaseWsMainURL = "ws" + strings.TrimPrefix(x.server.URL, "http") + "/ws"
	events := make(chan *binance.WsKlineEvent, 100)
	done, stop, err := binance.WsKlineServe("ETHUSDT", "1m", func(e *binance.WsKlineEvent) { events <- e }, func(err error) { t.Log(err) })
	if err != nil {
		t.Fatal(err)
	}
	now := x.clock.Now()
	first := push(x.market, nil, now, nil)
	x.clock.untilAsleep(t, first.next(now, first.ticked)) // the stream is subscribed
	x.clock.Advance(31 * time.Second)
	for {
		e := receive(t, "an event", events)
		if e.Symbol != "ETHUSDT" || e.Kline.Interval != "1m" {
			t.Fatalf("an event of %+v", e)
		}
		if e.Kline.IsFinal {
			if e.Kline.StartTime != int64(t0) || e.Kline.Close == "" || e.Kline.LastTradeID <= e.Kline.FirstTradeID {
				t.Errorf("the close is %+v", e.Kline)
			}
			break
		}
	}
	close(stop)
	<-done
}
