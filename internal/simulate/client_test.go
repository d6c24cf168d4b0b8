package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	binance "github.com/adshao/go-binance/v2"

	"velador/internal/candle"
)

// A client that nobody here wrote, pointed at the simulator by its base URLs alone, reads what the
// recording holds. It keeps its URLs in globals, so this test does not run beside others that use it.
func TestGoBinanceReadsTheRecordingThroughTheSimulator(t *testing.T) {
	s, base := recorded(t, Options{From: at("2023-03-24 14:10"), Speed: 300, Paused: true})
	raw, combined, keepalive := binance.BaseWsMainURL, binance.BaseCombinedMainURL, binance.WebsocketKeepalive
	t.Cleanup(func() {
		binance.BaseWsMainURL, binance.BaseCombinedMainURL, binance.WebsocketKeepalive = raw, combined, keepalive
	})
	// Its keep-alive leaves a goroutine behind for ten minutes; without it the WebSocket library answers PINGs.
	binance.WebsocketKeepalive = false
	ws := "ws" + strings.TrimPrefix(base, "http")
	binance.BaseWsMainURL, binance.BaseCombinedMainURL = ws+"/ws", ws+"/stream?streams="
	client := binance.NewClient("", "")
	client.BaseURL = base

	info, err := client.NewExchangeInfoService().Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Symbols) != 4 || info.Symbols[0].Symbol != "ARBUSDT" || info.Symbols[0].PriceFilter().TickSize != "0.00010000" || len(info.RateLimits) == 0 {
		t.Errorf("exchangeInfo is read as %+v", info)
	}
	if now, err := client.NewServerTimeService().Do(t.Context()); err != nil || candle.Millis(now) != s.Now() {
		t.Errorf("the server's time is read as %d, %v", now, err)
	}
	own := replay(t, "archive-daily")
	for _, tf := range []candle.Timeframe{candle.Minute1, candle.Minute5, candle.Minute15, candle.Hour1, candle.Hour4, candle.Day1, candle.Week1, candle.Month1} {
		from, to := at("2023-03-20"), at("2023-03-24 14:05")
		want := own.Rows("ETHUSDT", tf, 0, s.Now(), candle.Range{From: from, To: to}, 1<<20, false)
		var got []*binance.Kline
		for start := from; ; {
			page, err := client.NewKlinesService().Symbol("ETHUSDT").Interval(tf.String()).StartTime(int64(start)).EndTime(int64(to)).Limit(1000).Do(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if len(page) < 1000 {
				break
			}
			start = candle.Millis(page[len(page)-1].OpenTime) + 1
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d rows read, %d recorded", tf, len(got), len(want))
		}
		for i, k := range got {
			line := fmt.Sprint(k.OpenTime, ",", k.Open, ",", k.High, ",", k.Low, ",", k.Close, ",", k.Volume, ",", k.CloseTime, ",", k.QuoteAssetVolume, ",", k.TradeNum, ",", k.TakerBuyBaseAssetVolume, ",", k.TakerBuyQuoteAssetVolume)
			if line != string(want[i].AppendCSV(nil)) {
				t.Fatalf("%s: read %s, recorded %s", tf, line, want[i].AppendCSV(nil))
			}
		}
	}
	if _, err := client.NewKlinesService().Symbol("NOPEUSDT").Interval("1m").Do(t.Context()); err == nil || !strings.Contains(err.Error(), "-1121") {
		t.Errorf("an unknown symbol gives %v", err)
	}

	// Each stream in the order of its frames, until three candles have closed on both.
	type event struct {
		symbol string
		final  string
	}
	events := make(chan event, 1000)
	handle := func(e *binance.WsKlineEvent) {
		k := e.Kline
		seen := event{symbol: e.Symbol}
		if k.IsFinal {
			seen.final = fmt.Sprint(k.StartTime, ",", k.Open, ",", k.High, ",", k.Low, ",", k.Close, ",", k.Volume, ",", k.EndTime, ",", k.QuoteVolume, ",", k.TradeNum, ",", k.ActiveBuyVolume, ",", k.ActiveBuyQuoteVolume)
		}
		events <- seen
	}
	failed := make(chan error, 10)
	done, stop, err := binance.WsKlineServe("BTCUSDT", "1m", handle, func(err error) { failed <- err })
	if err != nil {
		t.Fatal(err)
	}
	done2, stop2, err := binance.WsCombinedKlineServe(map[string]string{"SOLUSDT": "1m", "ARBUSDT": "5m"}, handle, func(err error) { failed <- err })
	if err != nil {
		t.Fatal(err)
	}
	s.Clock().Resume()
	closed, frames := map[string]int{}, map[string]int{}
	deadline := time.After(time.Minute)
	for closed["BTCUSDT"] < 5 || closed["SOLUSDT"] < 5 || closed["ARBUSDT"] < 1 {
		select {
		case e := <-events:
			frames[e.symbol]++
			if e.final == "" {
				continue
			}
			closed[e.symbol]++
			tf := candle.Minute1
			if e.symbol == "ARBUSDT" {
				tf = candle.Minute5
			}
			open, _, _ := strings.Cut(e.final, ",")
			opened := at(open)
			want := own.Rows(e.symbol, tf, 0, Forever, candle.Range{From: opened, To: opened}, 1, false)
			if len(want) != 1 || string(want[0].AppendCSV(nil)) != e.final {
				t.Errorf("streamed %s, recorded %+v", e.final, want)
			}
		case err := <-failed:
			t.Fatal(err)
		case <-deadline:
			t.Fatalf("after a minute closed are %v of %v frames", closed, frames)
		}
	}
	close(stop)
	close(stop2)
	<-done
	<-done2
	if frames["BTCUSDT"] < 2*closed["BTCUSDT"] {
		t.Errorf("%d candles closed in %d frames: none was shown forming", closed["BTCUSDT"], frames["BTCUSDT"])
	}
}

// ccxt, with its own paging and its own idea of markets, through e2e/ccxt/check.mjs.
func TestCCXTReadsTheRecordingThroughTheSimulator(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs(filepath.Join("..", "..", "e2e", "ccxt"))
	if err != nil {
		t.Fatal(err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed: ccxt is not tried against the simulator")
	}
	if _, err := os.Stat(filepath.Join(script, "node_modules", "ccxt")); err != nil {
		missing(t, "ccxt is not installed: run npm ci in e2e/ccxt to try it against the simulator")
	}
	_, base := recorded(t, Options{From: at("2023-04-02 12:34:56"), Paused: true})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check := exec.CommandContext(ctx, node, "check.mjs", base, "BTC/USDT", fmt.Sprint(int64(at("2023-03-24 12:00"))), fmt.Sprint(int64(at("2023-03-24 15:00"))))
	check.Dir = script
	output, err := check.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	var result struct{ Markets, Compared, Pages, Holes int }
	if err := json.Unmarshal(output, &result); err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	if result.Markets != 4 || result.Holes != 1 || result.Compared < 500 {
		t.Errorf("ccxt compared %s", output)
	}
	t.Logf("%s", output)
}
