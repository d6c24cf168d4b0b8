package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

// candlesServer has so many candles of ETHUSDT 1m, from 2026-11-01 on.
func candlesServer(t *testing.T, n int) (address string) {
	t.Helper()
	from := candle.MillisOf(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	h := httptest.NewServer(server.New(server.Config{Fleet: servertest.NewFleet(time.Now), Candles: servertest.Minutes("ETHUSDT", from, n), Logs: servertest.NewLogs()}).Handler())
	t.Cleanup(h.Close)
	return h.URL
}

func TestCandlesOfATimeAreAllOfIt(t *testing.T) {
	t.Parallel()
	address := candlesServer(t, 12_000)
	const heading = 1
	for _, c := range []struct {
		args        string
		rows        int
		first, last string // open times, to the minute
		told        string
	}{
		{"", 20, "2026-11-09 07:40", "2026-11-09 07:59", ""},
		{"--limit 3", 3, "2026-11-09 07:57", "2026-11-09 07:59", ""},
		{"--from 2026-11-02 --to 2026-11-03", 1441, "2026-11-02 00:00", "2026-11-03 00:00", ""},
		{"--from 2026-11-02", 10_000, "2026-11-02 00:00", "2026-11-08 22:39", "--from 2026-11-08T22:40:00Z goes on"},
		{"--to 2026-11-09", 10_000, "2026-11-01 00:00", "2026-11-07 22:39", "--from 2026-11-07T22:40:00Z goes on"},
		{"--to 2026-11-07T22:39:00Z", 10_000, "2026-11-01 00:00", "2026-11-07 22:39", ""},
		{"--to 2026-11-07T22:39:30Z", 10_000, "2026-11-01 00:00", "2026-11-07 22:39", ""},
		{"--from 2026-11-02T09:20:00Z", 10_000, "2026-11-02 09:20", "2026-11-09 07:59", ""},
		{"--from 2026-11-02 --limit 3", 3, "2026-11-02 00:00", "2026-11-02 00:02", ""},
	} {
		args := append([]string{"candles", "ETHUSDT", "1m", "--server", address}, strings.Fields(c.args)...)
		table, said, code := run(t, args...)
		lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
		if code != ExitOK || len(lines) != heading+c.rows || !strings.HasPrefix(lines[heading], c.first) || !strings.HasPrefix(lines[len(lines)-1], c.last) {
			t.Errorf("with %q it shows %d rows, from %q to %q: exit code %d", c.args, len(lines)-heading, lines[min(heading, len(lines)-1)], lines[len(lines)-1], code)
		}
		tells := func(said string) bool {
			return (c.told == "" && said == "") || (c.told != "" && strings.Contains(said, c.told) && strings.Contains(said, "--csv") && strings.Count(said, "\n") == 1)
		}
		if !tells(said) {
			t.Errorf("with %q it says %q", c.args, said)
		}
		if c.args == "" {
			continue // 500 in JSON
		}
		out, said, code := run(t, append(args, "--json")...)
		var answer api.CandlesAnswer
		if err := json.Unmarshal([]byte(out), &answer); err != nil || code != ExitOK || len(answer.Candles) != c.rows || !tells(said) ||
			minute(answer.Candles[0].OpenTime) != c.first || minute(answer.Candles[c.rows-1].OpenTime) != c.last {
			t.Errorf("with %q and --json there are %d candles, %q, exit code %d (%v)", c.args, len(answer.Candles), said, code, err)
		}
	}
	var answer api.CandlesAnswer
	if out, _, _ := run(t, "candles", "ETHUSDT", "1m", "--json", "--server", address); json.Unmarshal([]byte(out), &answer) != nil || len(answer.Candles) != 500 || minute(answer.Candles[499].OpenTime) != "2026-11-09 07:59" {
		t.Errorf("without a time there are %d candles in JSON", len(answer.Candles))
	}
}

func minute(open int64) string { return time.UnixMilli(open).UTC().Format("2006-01-02 15:04") }

func TestALimitMeansTheSameOfATableAndOfCSV(t *testing.T) {
	t.Parallel()
	address := candlesServer(t, 12_000)
	for args, want := range map[string]struct {
		rows        int
		first, last string
	}{
		"--limit 5":                             {5, "2026-11-09 07:55", "2026-11-09 07:59"},
		"--limit 11000":                         {11_000, "2026-11-01 16:40", "2026-11-09 07:59"},
		"--limit 20000":                         {12_000, "2026-11-01 00:00", "2026-11-09 07:59"},
		"":                                      {12_000, "2026-11-01 00:00", "2026-11-09 07:59"},
		"--from 2026-11-02 --limit 5":           {5, "2026-11-02 00:00", "2026-11-02 00:04"},
		"--from 2026-11-02 --to 2026-11-09":     {10_081, "2026-11-02 00:00", "2026-11-09 00:00"},
		"--to 2026-11-01T00:01:00Z --limit 500": {2, "2026-11-01 00:00", "2026-11-01 00:01"},
	} {
		out, said, code := run(t, append([]string{"candles", "ETHUSDT", "1m", "--csv", "--server", address}, strings.Fields(args)...)...)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		at := func(line string) string {
			text, _, _ := strings.Cut(line, ",")
			open, _ := strconv.ParseInt(text, 10, 64)
			return minute(open)
		}
		if code != ExitOK || said != "" || lines[0] != candle.CSVHeader || len(lines) != 1+want.rows || at(lines[1]) != want.first || at(lines[want.rows]) != want.last {
			t.Errorf("with %q there are %d rows, the last %q, %q, exit code %d", args, len(lines)-1, lines[len(lines)-1], said, code)
		}
	}
	if out, said, code := run(t, "candles", "BTCUSDT", "1m", "--csv", "--limit", "5", "--server", address); code != ExitNotFound || out != candle.CSVHeader+"\n" || !strings.Contains(said, "nothing of BTCUSDT") {
		t.Errorf("of what is not stored: exit code %d, %q, %q", code, out, said)
	}
}

// slowly answers as a server does whose second half takes its time.
type slowly struct{}

func (slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(body io.Reader) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r}, nil
	}
	if r.URL.Path == "/api/coverage" {
		return answer(strings.NewReader(`{"symbol":"ETHUSDT","timeframe":"1m","exchange":"binance","expected":4,"present":4,"gaps":[]}`))
	}
	return answer(io.MultiReader(strings.NewReader(candle.CSVHeader+"\n1,\n2,\n"), pause(2*plainEvery), strings.NewReader("3,\n4,\n")))
}

// pause is a piece of a stream that takes so long and has nothing.
type pause time.Duration

func (p pause) Read([]byte) (int, error) {
	time.Sleep(time.Duration(p))
	return 0, io.EOF
}

func TestAnExportIntoAFileTellsHowFarItIsWhereNoTerminalIs(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "eth.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New(client.DefaultURL, client.WithHTTPClient(&http.Client{Transport: slowly{}}))
		if err != nil {
			t.Fatal(err)
		}
		for _, into := range []struct {
			stdout io.Writer
			told   string
		}{{file, "exporting ETHUSDT 1m: 4 of 4 candles, 0/s, 0s left\n"}, {&strings.Builder{}, ""}} {
			var said strings.Builder
			p := &program{stdout: into.stdout, stderr: &said}
			if err := p.exportCSV(t.Context(), c, &remoteFlags{}, client.CandlesQuery{Series: client.Series{Symbol: "ETHUSDT", Timeframe: "1m"}}); err != nil {
				t.Error(err)
			}
			if said.String() != into.told {
				t.Errorf("into %T it says %q", into.stdout, said.String())
			}
		}
	})
}
