package klineapi_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// one is a source with a single market and no candles.
type one struct{}

func (one) Markets(candle.Millis) []klineapi.Market {
	return []klineapi.Market{{Symbol: "ETHUSDT", Base: "ETH", Quote: "USDT", Status: "TRADING"}}
}

func (one) Rows(string, candle.Timeframe, klineapi.Zone, candle.Millis, candle.Range, int, bool) []klineapi.Row {
	return nil
}

func (one) At(string, candle.Timeframe, klineapi.Zone, candle.Millis) (klineapi.Row, bool) {
	return klineapi.Row{}, false
}

func (one) Closing(string, candle.Timeframe, klineapi.Zone, candle.Millis, candle.Millis) []klineapi.Row {
	return nil
}

// A surface whose second klines call meets a firewall.
func ExampleAPI() {
	api := klineapi.New(klineapi.Config{Source: one{}, Clock: klineapi.WallClock{}})
	if _, err := api.Faults().Add(klineapi.Fault{Kind: klineapi.RestForbidden, Path: "/api/v3/klines", Skip: 1, Count: 1}); err != nil {
		fmt.Println(err)
	}
	server := httptest.NewServer(api.Handler())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- api.Run(ctx) }()

	for range 3 {
		resp, err := server.Client().Get(server.URL + "/api/v3/klines?symbol=ETHUSDT&interval=1m")
		if err != nil {
			fmt.Println(err)
			break
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	fmt.Println(api.Counters().KlinesBy)

	server.Close()
	cancel()
	<-ended
	// Output:
	// 200 application/json;charset=UTF-8
	// 403 text/html
	// 200 application/json;charset=UTF-8
	// map[ETHUSDT:3]
}
