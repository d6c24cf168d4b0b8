package simulate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// simulate starts a simulator on loopback and gives its base URL.
func simulate(t testing.TB, o Options) (*Simulator, string) {
	t.Helper()
	o.Logger = testLog(t)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		server.Close()
	})
	return s, server.URL
}

// recorded replays the two weeks around the halt of 2023-03-24.
func recorded(t testing.TB, o Options) (*Simulator, string) {
	t.Helper()
	o.DataDir = filepath.Join(sharedData(t), "archive-daily")
	if o.To == 0 {
		o.To = at("2023-04-03")
	}
	return simulate(t, o)
}

func fetch(t testing.TB, method, url, body string, into any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s: %v in %.300s", method, url, err, text)
		}
	}
	return answer.StatusCode
}

func TestOnePortServesTheWholeExchange(t *testing.T) {
	t.Parallel()
	_, base := recorded(t, Options{From: at("2023-03-26 12:00"), Paused: true, Symbols: []string{"BTCUSDT", "ARBUSDT"}})
	var now struct{ ServerTime int64 }
	if fetch(t, "GET", base+"/api/v3/time", "", &now); candle.Millis(now.ServerTime) != at("2023-03-26 12:00") {
		t.Errorf("the exchange's clock shows %d", now.ServerTime)
	}
	var rows [][]any
	fetch(t, "GET", base+"/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1679661540000&limit=2", "", &rows)
	if len(rows) != 2 || fmt.Sprintf("%.0f", rows[0][6]) != "1679661581646" || fmt.Sprintf("%.0f", rows[1][0]) != "1679666400000" {
		t.Errorf("klines over the outage are %v", rows)
	}
	for path, want := range map[string]int{
		dayKeyBTC:               200,
		dayKeyBTC + ".CHECKSUM": 200,
		"/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-03-26.zip": 404, // not published yet
		"/?prefix=data/":                   200,
		"/data.binance.vision?x":           200,
		"/data.binance.vision" + dayKeyBTC: 200,
		"/control/":                        200,
		"/control/faults":                  200,
		"/control/nonsense":                404,
		"/":                                404,
		"/api/v3/exchangeInfo":             200,
		"/api/v3/historicalTrades":         404,
		"/control/clock":                   200,
		"/api/v3/ticker/price":             200,
		"/control/archive":                 200,
		"/api/v1/klines":                   404,
		"/api/v3/uiKlines?symbol=x/":       400,
	} {
		if got := fetch(t, "GET", base+path, "", nil); got != want {
			t.Errorf("%s answers %d, not %d", path, got, want)
		}
	}
}

func TestTheClockIsSteeredOverHTTP(t *testing.T) {
	t.Parallel()
	s, base := recorded(t, Options{From: at("2023-03-26 12:00"), Paused: true, Symbols: []string{"BTCUSDT"}})
	var state ClockState
	order := func(body string, want int) {
		t.Helper()
		if got := fetch(t, "POST", base+"/control/clock", body, &state); got != want {
			t.Errorf("%s answers %d, not %d", body, got, want)
		}
	}
	order(`{"do":"step","step":"90m"}`, 200)
	if state.Now != at("2023-03-26 13:30") || !state.Paused || s.Now() != state.Now || state.Time != "2023-03-26T13:30:00.000Z" {
		t.Errorf("after a step the clock shows %+v", state)
	}
	order(`{"do":"speed","speed":500}`, 200)
	order(`{"do":"resume"}`, 200)
	if state.Paused || state.Speed != 500 {
		t.Errorf("the clock shows %+v", state)
	}
	order(`{"do":"pause"}`, 200)
	order(`{"do":"now"}`, 200)
	for _, bad := range []string{``, `{"do":"fly"}`, `{"do":"speed","speed":1e9}`, `{"do":"speed"}`, `{"do":"step","step":"-1s"}`, `{"do":"step","step":"x"}`, `{"what":1}`, `{"do":"now"}{}`} {
		order(bad, 400)
	}
	var faults []ArchiveFault
	if fetch(t, "POST", base+"/control/archive", `{"kind":"checksum"}`, &faults); len(faults) != 1 {
		t.Errorf("the archive's faults are %v", faults)
	}
	if got := fetch(t, "POST", base+"/control/archive", `{"kind":"x"}`, nil); got != 400 {
		t.Errorf("a fault that is none answers %d", got)
	}
	if fetch(t, "DELETE", base+"/control/archive", ``, &faults); len(faults) != 0 {
		t.Errorf("the archive's faults are %v", faults)
	}
}

// A run with an end stops exactly: all that closed has been streamed, and REST, Served and the
// recording say the same.
func TestARunEndsExactly(t *testing.T) {
	t.Parallel()
	from, to := at("2023-03-24 12:30"), at("2023-03-24 14:20")
	s, base := recorded(t, Options{From: from, To: to, Speed: 2000, Paused: true, Symbols: []string{"BTCUSDT", "ETHUSDT"}})
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(base, "http")+"/stream?streams=btcusdt@kline_1m/ethusdt@kline_1m", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	s.Clock().Resume()
	streamed := map[string][]string{}
	for len(streamed["BTCUSDT"]) < 30 || len(streamed["ETHUSDT"]) < 30 {
		var frame struct {
			Data struct {
				K struct {
					Symbol string `json:"s"`
					Open   int64  `json:"t"`
					OpenP  string `json:"o"`
					Close  string `json:"c"`
					CloseT int64  `json:"T"`
					Low    string `json:"l"`
					Last   int64  `json:"L"`
					Volume string `json:"v"`
					Taker  string `json:"V"`
					Quote  string `json:"q"`
					TakerQ string `json:"Q"`
					Final  bool   `json:"x"`
				} `json:"k"`
			} `json:"data"`
		}
		_, text, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			t.Fatal(err)
		}
		// The minute before the start may still close after it, as its frame comes up to 300 ms late.
		if k := frame.Data.K; k.Final && candle.Millis(k.Open) >= from {
			streamed[k.Symbol] = append(streamed[k.Symbol], fmt.Sprint(k.Open, k.OpenP, k.Low, k.Close, k.CloseT, k.Volume, k.Quote, k.Taker, k.TakerQ))
		}
	}
	if err := s.Clock().Sleep(t.Context(), to.Add(Tail)); err != nil {
		t.Fatal(err)
	}
	if state := s.Clock().State(); !state.Stopped || state.Now != to.Add(Tail) {
		t.Errorf("the clock shows %+v", state)
	}
	own := replay(t, "archive-daily")
	for symbol, frames := range streamed {
		served := s.Served(candle.Series{Exchange: "binance", Symbol: symbol, Timeframe: candle.Minute1}, from, Forever)
		want := own.Rows(symbol, candle.Minute1, 0, Forever, candle.Range{From: from, To: to - 1}, 1000, false)
		if len(served) != 30 || len(want) != 30 || len(frames) != 30 {
			t.Fatalf("%s: %d served, %d recorded, %d streamed, not 30", symbol, len(served), len(want), len(frames))
		}
		for i, c := range served {
			if c != want[i].Candle {
				t.Errorf("%s: %+v is served, %+v recorded", symbol, c, want[i].Candle)
			}
			if text := fmt.Sprint(int64(c.OpenTime), c.Open.String(), c.Low.String(), c.Close.String(), int64(c.CloseTime), c.Volume.String(), c.QuoteVolume.String(), c.TakerBuyVolume.String(), c.TakerBuyQuoteVolume.String()); text != frames[i] {
				t.Fatalf("%s: %s is served, %s was streamed", symbol, text, frames[i])
			}
		}
	}
	if rows := s.Source().Rows("BTCUSDT", candle.Minute1, 0, s.Now(), candle.Range{From: to, To: Forever}, 10, true); len(rows) != 0 {
		t.Errorf("beyond the end there are %+v", rows)
	}
}

// SIM-T2: at ×1000 with controls on the wall clock nobody is cut for a missing pong, whatever time
// the exchange's clock says has passed.
func TestAFastReplayCutsNobodyForAMissingPong(t *testing.T) {
	t.Parallel()
	s, base := simulate(t, Options{From: at("2026-11-23"), Speed: 1000, Seed: 1, Symbols: []string{"BTCUSDT"}})
	if !s.API().Profile().WallControl {
		t.Fatal("controls run on the virtual clock at ×1000")
	}
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(base, "http")+"/ws/btcusdt@kline_1m", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for s.Now() < s.From().Add(10*time.Minute) { // ten PING intervals and all of the pong deadline
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatalf("at %s: %v", s.Now(), err)
		}
	}
}

func TestTheWholeMarketIsGeneratedWithoutAnyData(t *testing.T) {
	t.Parallel()
	s, base := simulate(t, Options{Seed: 42})
	if now := candle.MillisOf(time.Now()); s.From() > now || s.From() < now-minuteMillis || s.To() != 0 {
		t.Errorf("it runs from %s to %s", s.From(), s.To())
	}
	var info struct {
		Symbols []struct{ Symbol, Status string }
	}
	if fetch(t, "GET", base+"/api/v3/exchangeInfo", "", &info); len(info.Symbols) < 24 {
		t.Errorf("%d symbols", len(info.Symbols))
	}
	var tickers []map[string]any
	if code := fetch(t, "GET", base+"/api/v3/ticker/24hr", "", &tickers); code != 200 || len(tickers) < 24 {
		t.Errorf("ticker/24hr answers %d with %d rows", code, len(tickers))
	}
	var rows [][]any
	fetch(t, "GET", base+"/api/v3/klines?symbol=DOGEUSDT&interval=1h&limit=1000", "", &rows)
	if len(rows) != 1000 {
		t.Errorf("%d hours of history", len(rows))
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	data := filepath.Join(sharedData(t), "archive-daily")
	bad := klineapi.DefaultProfile()
	bad.LimitOver = "perhaps"
	for name, o := range map[string]Options{
		"no such folder":              {DataDir: filepath.Join(t.TempDir(), "none")},
		"no such symbol":              {DataDir: data, Symbols: []string{"BTCUSDT", "NOPEUSDT"}},
		"a start after the end":       {DataDir: data, Symbols: []string{"ARBUSDT"}, From: at("2025-01-01")},
		"an end before the start":     {From: at("2026-01-02"), To: at("2026-01-01")},
		"an impossible speed":         {Speed: 1e6},
		"a status nobody knows":       {HaltStatus: "ASLEEP"},
		"an impossible profile":       {Profile: bad},
		"a symbol that is none":       {Symbols: []string{"BTC USDT"}},
		"a market before its genesis": {From: at("1999-01-01")},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	s, err := New(Options{DataDir: data, Symbols: []string{"ARBUSDT"}, History: at("2023-03-30"), WallControl: new(bool), Speed: 5})
	if err != nil {
		t.Fatal(err)
	}
	if s.From() != at("2023-03-30") || s.To() != at("2023-04-03") || s.API().Profile().WallControl {
		t.Errorf("from %s to %s, wall control %v", s.From(), s.To(), s.API().Profile().WallControl)
	}
}

func TestTheCertificateIsTrustedThroughItsRootAlone(t *testing.T) {
	t.Parallel()
	config, root, err := SelfSignedTLS("localhost", "127.0.0.1", "::1")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshakes refused below
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatalf("the root is no PEM: %.80s", root)
	}
	ask := func(roots *x509.CertPool, name string) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}, DisableKeepAlives: true}
		answer, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	// httptest would put its own certificate first; the configured one must be the one served.
	if !bytes.Equal(server.TLS.Certificates[0].Certificate[0], config.Certificates[0].Certificate[0]) {
		t.Fatal("another certificate is served")
	}
	if err := ask(roots, "127.0.0.1"); err != nil {
		t.Error(err)
	}
	if err := ask(roots, "localhost"); err != nil {
		t.Error(err)
	}
	if ask(roots, "elsewhere") == nil || ask(x509.NewCertPool(), "127.0.0.1") == nil {
		t.Error("the certificate is trusted for another name, or without its root")
	}
	if _, _, err := SelfSignedTLS(); err == nil {
		t.Error("a certificate for nobody was made")
	}
}
