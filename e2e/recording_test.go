package e2e

import (
	"archive/zip"
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
)

// recordings finds the folder of recorded market data beside the repository.
func recordings(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../shared/data/binance-spot")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skipf("no recorded market data beside the repository: %v", err)
	}
	return dir
}

// recorded reads the exchange's own archive files of a symbol, 1m, from an open time to another, both
// included, in the columns of the contract.
func recorded(t *testing.T, dir, symbol string, from, to candle.Millis) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "archive-daily", symbol, "1m", "*.zip"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no archive files of %s: %v", symbol, err)
	}
	var text strings.Builder
	text.WriteString(candle.CSVHeader + "\n")
	for _, name := range files { // in order of their days
		archive, err := zip.OpenReader(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := archive.File[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			open, err := strconv.ParseInt(strings.SplitN(lines.Text(), ",", 2)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if m := candle.Millis(open); m >= from && m <= to {
				line := lines.Text()
				text.WriteString(line[:strings.LastIndexByte(line, ',')] + "\n") // the twelfth column is unused
			}
		}
		_ = archive.Close()
	}
	return text.String()
}

// TestRecordedOutageAndListing collects four symbols through the exchange's real outage of 2023-03-24
// and the real listing of ARB the day before, at 600 times the speed, and finds in the database what
// the exchange's archive files hold, digit for digit.
func TestRecordedOutageAndListing(t *testing.T) {
	t.Parallel()
	dir := recordings(t)
	if testing.Short() {
		t.Skip("36 hours at 600 times the speed take four minutes")
	}
	if raceEnabled {
		t.Skip("four minutes of waiting for a market; the race detector sees the same code at work in the other tests")
	}
	const begin, end = "2023-03-23T12:00:00Z", "2023-03-25T00:00:00Z"
	from, _ := candle.ParseMillis(begin)
	to, _ := candle.ParseMillis(end)
	last := candle.Minute1.Prev(to)
	onBothDatabases(t, func(t *testing.T, env []string) {
		exchange, urls := simulator(t, "--data", filepath.Join(dir, "archive-daily"), "--speed", "600", "--from", begin, "--to", end)
		server := serve(t, append(env, urls...))
		symbols := []string{"BTCUSDT", "ETHUSDT", "SOLUSDT", "ARBUSDT"}
		for _, symbol := range symbols {
			start(t, server, fmt.Sprintf(`{"timeframe":"1m","symbol":"%s","since":"%s"}`, symbol, begin))
		}
		coverage := func(symbol string) map[string]any {
			_, _, text := call(t, "GET", fmt.Sprintf("%s/api/coverage?symbol=%s&timeframe=1m", server.url, symbol), "")
			return object(t, text)
		}
		for _, symbol := range symbols {
			eventually(t, symbol+" is stored to its end and its outage is proved", 6*time.Minute, func() bool {
				c := coverage(symbol)
				gaps := c["gaps"].([]any)
				return c["last"] == float64(last) && len(gaps) == 1 && gaps[0].(map[string]any)["state"] == "absent"
			})
		}
		for _, symbol := range symbols {
			stdout, stderr, code := velador(t, []string{"VELADOR_SERVER=" + server.url}, "candles", symbol, "1m", "--from", begin, "--to", last.String(), "--csv")
			if want := recorded(t, dir, symbol, from, last); code != 0 || stdout != want {
				t.Errorf("%s: exit code %d, %s\n%s", symbol, code, stderr, firstDifference(want, stdout))
			}
			gap := coverage(symbol)["gaps"].([]any)[0].(map[string]any)
			if gap["from"] != 1679661600000.0 || gap["to"] != 1679666340000.0 || gap["missing"] != 80.0 || gap["proofs"].(float64) < 3 {
				t.Errorf("%s: the outage is noted as %v", symbol, gap)
			}
		}
		_, _, text := call(t, "GET", exchange.url+"/control/counters", "")
		counters := object(t, text)
		for _, symbol := range symbols {
			// 36 hours are three pages; the outage costs some questions more. A loop would ask hundreds of times.
			asked := counters["klines_by"].(map[string]any)[symbol].(float64)
			t.Logf("%s was asked for %v times", symbol, asked)
			if asked > 60 {
				t.Errorf("%s was asked for %v times", symbol, asked)
			}
		}
		if counters["status_429"] != 0.0 || counters["status_418"] != 0.0 {
			t.Errorf("the exchange refused requests: %s", text)
		}
	})
}

// firstDifference shows where two texts part.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: want %s\n          got %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(a), len(b))
}
