package binance

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// recorded opens a file of the recorded data, which lie beside the repository.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	packed, err := os.ReadFile(filepath.Join(dir, "..", "shared", "data", filepath.FromSlash(name)))
	if err != nil {
		if os.Getenv("CI_REQUIRE") == "1" {
			t.Fatalf("recorded market data are required: %v", err)
		}
		t.Skipf("recorded market data are not here: %s", name)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRecordedFramesBecomeTheirCandles(t *testing.T) {
	t.Parallel()
	lines := bufio.NewScanner(bytes.NewReader(recorded(t, "raw-ws/BINANCE.ws.1.0.gz")))
	lines.Buffer(nil, 1<<20)
	d := newDecoder(candle.Minute1, []string{"NKNUSDT", "LRCBTC", "BLZETH"})
	var klines []string
	others := 0
	for lines.Scan() {
		_, text, ok := strings.Cut(lines.Text(), ": ")
		if !ok || !strings.HasPrefix(text, "{") {
			continue
		}
		var f, reference frame
		if err := d.frame([]byte(text), &f); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if f.Event.Type != eventKline {
			others++
			continue
		}
		if err := json.Unmarshal([]byte(text), &reference); err != nil || reference != f {
			t.Errorf("encoding/json reads %+v (%v), the decoder %+v", reference, err, f)
		}
		klines = append(klines, f.Event.Symbol+" "+string(f.Event.Kline.candle().AppendCSV(nil)))
	}
	want := []string{
		"NKNUSDT 1633998480000,0.35270000,0.35280000,0.35220000,0.35280000,25877.00000000,1633998539999,9116.04600000,30,58.00000000,20.46240000",
		"LRCBTC 1633998480000,0.00000638,0.00000638,0.00000638,0.00000638,177.00000000,1633998539999,0.00112926,1,177.00000000,0.00112926",
	}
	if err := lines.Err(); err != nil || !slices.Equal(klines, want) || others < 50 {
		t.Errorf("%d other frames, %v\n%s", others, err, strings.Join(klines, "\n"))
	}
}

func TestRecordedAnswersBecomeTheirCandlesDigitForDigit(t *testing.T) {
	t.Parallel()
	var routes struct {
		Routes map[string]map[string][]struct {
			Data        json.RawMessage
			QueryString string
		}
	}
	if err := json.Unmarshal(recorded(t, "rest/gocryptotrader_http_marketdata.json.gz"), &routes); err != nil {
		t.Fatal(err)
	}
	var bodies []json.RawMessage
	for _, call := range routes.Routes["/api/v3/klines"]["GET"] {
		bodies = append(bodies, call.Data)
	}
	// These hold the venue's early outages, off-grid opens and odd close times.
	for _, name := range []string{"1d/2016-01-01", "1h/2025-10-01", "15m/2025-10-20", "1M/2010-01-01", "1w/2020-01-01"} {
		bodies = append(bodies, recorded(t, "binance-spot/rest-klines/BTCUSDT/"+name+".json.gz"))
	}
	for i, body := range bodies {
		rows, err := decodeRows(bytes.NewReader(body), nil)
		var reference [][]any
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if failed := decoder.Decode(&reference); failed != nil || err != nil || len(rows) != len(reference) || len(rows) == 0 {
			t.Fatalf("answer %d: %d rows, %v; the reference has %d, %v", i, len(rows), err, len(reference), failed)
		}
		for j, c := range rows {
			var fields []string
			for _, field := range reference[j][:11] {
				switch field := field.(type) {
				case string:
					fields = append(fields, field)
				case json.Number:
					fields = append(fields, field.String())
				}
			}
			if got, want := string(c.AppendCSV(nil)), strings.Join(fields, ","); got != want {
				t.Fatalf("answer %d: came %s, want %s", i, got, want)
			}
		}
	}

	var markets []exchange.Market
	var limits []rateLimit
	info := routes.Routes["/api/v3/exchangeInfo"]["GET"][0].Data
	if _, err := decodeInfo(bytes.NewReader(info), func(m exchange.Market) { markets = append(markets, m) }, func(l rateLimit) { limits = append(limits, l) }); err != nil {
		t.Fatal(err)
	}
	if len(markets) != 25 || !slices.Contains(limits, rateLimit{kind: "REQUEST_WEIGHT", interval: "MINUTE", count: 1, limit: 6000}) {
		t.Errorf("%d markets, %+v", len(markets), limits)
	}
}

func TestRecordedCatalogueIsRead(t *testing.T) {
	t.Parallel()
	line, _, _ := strings.Cut(string(recorded(t, "raw-ws/BINANCE.0.gz")), "\n")
	_, body, _ := strings.Cut(line, ": ")
	trading, halted := 0, 0
	at, err := decodeInfo(strings.NewReader(body), func(m exchange.Market) {
		if m.Trading {
			trading++
		} else {
			halted++
		}
		if m.Base == "" || m.Quote == "" || !strings.HasPrefix(m.Symbol, m.Base) {
			t.Errorf("%+v", m)
		}
	}, func(rateLimit) {})
	if err != nil || at != 1633998511098 || trading+halted != 1695 || halted != 433 { // MANIFEST 9
		t.Errorf("as of %s: %d trade, %d do not, %v", at, trading, halted, err)
	}
}
