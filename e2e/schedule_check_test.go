package e2e

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
)

// settle waits until the ledger of every series has no open gap in the day and the candles and the
// proved absences together are the whole day.
func (w *world) settle(recordings string, limit time.Duration) {
	w.t.Helper()
	w.site.agrees(w.server, len(w.plan.collectors))
	deadline := time.Now().Add(limit)
	for _, f := range w.plan.collectors {
		for _, symbol := range f.symbols {
			first := w.beginning(recordings, symbol, f.timeframe)
			for {
				whole, says := w.complete(symbol, f.timeframe, first)
				if whole {
					break
				}
				if time.Now().After(deadline) {
					w.t.Fatalf("%s after the last fault %s %s is not whole: %s", limit, symbol, f.timeframe, says)
				}
				time.Sleep(100 * time.Millisecond) // between two looks at another process
			}
		}
	}
}

// complete tells whether a series has its day, which begins with first, and what the server says of it.
func (w *world) complete(symbol string, tf candle.Timeframe, first candle.Millis) (bool, string) {
	w.t.Helper()
	status, _, text := call(w.t, "GET", fmt.Sprintf("%s/api/coverage?symbol=%s&timeframe=%s&from=%d&to=%d", w.server.url, symbol, tf, w.plan.day.From, w.plan.day.To), "")
	if status != 200 {
		return false, string(text)
	}
	var c struct {
		Present int64
		Gaps    []struct {
			From, To candle.Millis
			State    string
		}
	}
	if err := json.Unmarshal(text, &c); err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
	known := c.Present
	for _, gap := range c.Gaps {
		switch gap.State {
		case "absent":
			known += tf.Count(max(gap.From, first), min(gap.To, w.plan.day.To)) // an outage may reach beyond the day
		case "repaired": // its candles are present
		default:
			return false, string(text)
		}
	}
	return known == tf.Count(first, w.plan.day.To), string(text)
}

// beginning gives the open time of the first candle that a series has within the day. The day may begin
// within an outage: to whoever asks for candles from there on, the market may as well begin behind it, and
// nothing is missing before. It is read from the recording's file: a question to the exchange would count.
func (w *world) beginning(recordings, symbol string, tf candle.Timeframe) candle.Millis {
	w.t.Helper()
	first, onGrid := tf.Floor(w.plan.day.From)
	if !onGrid {
		w.t.Fatalf("%s has no grid", tf)
	}
	if first < w.plan.day.From {
		first = tf.Next(first)
	}
	for _, row := range w.recording(recordings, symbol) {
		open, err := row[0].Int64()
		if err != nil {
			w.t.Fatal(err)
		}
		if candle.Millis(open) >= first {
			first, _ = tf.Floor(candle.Millis(open)) // of that step the exchange has a candle
			break
		}
	}
	return first
}

// compare holds what is stored against what the exchange serves, digit for digit, and 1m candles
// against the file of the recording too. It gives how many candles were compared, and how many of
// them were lost and doubled.
func (w *world) compare(recordings string) (checked, lost, doubled int) {
	w.t.Helper()
	for _, f := range w.plan.collectors {
		for _, symbol := range f.symbols {
			_, _, stored := call(w.t, "GET", fmt.Sprintf("%s/api/candles?symbol=%s&timeframe=%s&format=csv&from=%d&to=%d", w.server.url, symbol, f.timeframe, w.plan.day.From, w.plan.day.To), "")
			served := w.served(symbol, f.timeframe)
			if got := string(stored); got != served {
				w.t.Errorf("%s %s: %s", symbol, f.timeframe, firstDifference(served, got))
			}
			rows := opens(w.t, string(stored))
			want := opens(w.t, served)
			for open, n := range rows {
				doubled += n - 1
				if want[open] == 0 {
					w.t.Errorf("%s %s: a candle at %d is stored that the exchange does not have", symbol, f.timeframe, open)
				}
			}
			for open := range want {
				if rows[open] == 0 {
					lost++
				}
			}
			checked += len(want)
			if f.timeframe == candle.Minute1 {
				w.recorded(recordings, symbol, string(stored))
			}
		}
	}
	return checked, lost, doubled
}

// served gives a series' day as the exchange serves it, as CSV.
func (w *world) served(symbol string, tf candle.Timeframe) string {
	w.t.Helper()
	text := candle.CSVHeader + "\n"
	for from := w.plan.day.From; from <= w.plan.day.To; {
		_, _, page := call(w.t, "GET", fmt.Sprintf("%s/api/v3/klines?symbol=%s&interval=%s&startTime=%d&endTime=%d&limit=1000", w.site.exchange.url, symbol, tf, from, w.plan.day.To), "")
		if strings.TrimSpace(string(page)) == "[]" {
			break
		}
		_, rows, _ := strings.Cut(klinesAsCSV(w.t, page), "\n")
		text += rows
		last := rows[strings.LastIndexByte(strings.TrimSuffix(rows, "\n"), '\n')+1:]
		open, err := strconv.ParseInt(last[:strings.IndexByte(last, ',')], 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		from = candle.Millis(open) + 1
	}
	return text
}

// opens counts the rows of a CSV by open time.
func opens(t *testing.T, csv string) map[int64]int {
	t.Helper()
	found := make(map[int64]int)
	for line := range strings.Lines(csv) {
		if field, _, _ := strings.Cut(line, ","); field != "open_time" {
			open, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			found[open]++
		}
	}
	return found
}

// recorded holds stored rows of 1m against the recording's file, which neither the simulator nor the
// product has read for us: open times, prices and volume.
func (w *world) recorded(recordings, symbol, stored string) {
	w.t.Helper()
	_, left, _ := strings.Cut(stored, "\n")
	for _, row := range w.recording(recordings, symbol) {
		open, err := row[0].Int64()
		if err != nil {
			w.t.Fatal(err)
		}
		if !w.plan.day.Contains(candle.Millis(open)) {
			continue
		}
		line, rest, _ := strings.Cut(left, "\n")
		left = rest
		fields := strings.Split(line, ",")
		same := fields[0] == row[0].String() && len(fields) == 11
		for i := 1; same && i <= 5; i++ {
			got, gotErr := candle.ParseDecimal(fields[i])
			want, wantErr := candle.ParseDecimal(row[i].String())
			same = gotErr == nil && wantErr == nil && got.Equal(want)
		}
		if !same {
			w.t.Errorf("%s: the recording has %v, stored is %s", symbol, row, line)
			return
		}
	}
	if left != "" {
		w.t.Errorf("%s: stored beyond the recording: %.200s", symbol, left)
	}
}

// recording reads the file of a market's 1m candles.
func (w *world) recording(recordings, symbol string) (rows [][]json.Number) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(recordings, "wide-2021-04", strings.TrimSuffix(symbol, "USDT")+"_*-1m.json.gz"))
	if err != nil || len(files) != 1 {
		w.t.Fatalf("the recording of %s: %v %v", symbol, files, err)
	}
	file, err := os.Open(files[0])
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		w.t.Fatal(err)
	}
	numbers := json.NewDecoder(unpacked)
	numbers.UseNumber()
	if err := numbers.Decode(&rows); err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// counters are what the exchange has counted.
type counters struct {
	OverLimit       int64            `json:"over_limit"`
	WhileBanned     int64            `json:"while_banned"`
	UpgradesRefused int64            `json:"upgrades_refused"`
	Flooded         int64            `json:"flooded"`
	PeakWeight      int64            `json:"peak_weight"`
	Upgrades        int64            `json:"upgrades"`
	Struck          map[string]int64 `json:"struck"`
	Requests        map[string]int64 `json:"requests"`
}

// limits checks that nobody broke the exchange's limits, whatever faults were in force.
func (w *world) limits() counters {
	w.t.Helper()
	_, _, text := call(w.t, "GET", w.site.exchange.url+"/control/counters", "")
	var c counters
	if err := json.Unmarshal(text, &c); err != nil {
		w.t.Fatal(err)
	}
	// A ban reaches the processes of a host one by one: each may have a question under way, and one
	// more that it sends before it knows.
	underWay := c.Struck["rest-418"] * int64(2*len(w.plan.collectors)+2)
	if c.OverLimit != 0 || c.UpgradesRefused != 0 || c.Flooded != 0 || c.WhileBanned > underWay {
		w.t.Errorf("the exchange's limits were broken: %s", text)
	}
	return c
}
