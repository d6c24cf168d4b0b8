package cli

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

var (
	lookedAt = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	code1    = 1
)

// shown are collectors in each condition that a table tells apart.
func shown() []api.CollectorStatus {
	next := api.Time{Time: lookedAt.Add(11500 * time.Millisecond)}
	return []api.CollectorStatus{
		{ID: 7, PID: 12345, Exchange: "binance", Symbol: "ETHUSDT", Timeframe: "1m", Status: "running", Phase: "live", Uptime: 3725, CPU: 0.44,
			Memory: api.Memory{RSS: 18874368}, LastCandle: api.LastCandle{OpenTime: 1, AgeSeconds: 12}, MessagesPerSecond: 3.46, OpenGaps: 1, Restarts: 2},
		{ID: 8, PID: 12346, Exchange: "binance", Symbol: strings.Repeat("BTCUSDT,", 20), Timeframe: "1h", Status: "running", Phase: "backfilling"},
		{ID: 9, PID: 999, Exchange: "binance", Symbol: "XRPUSDT", Timeframe: "1m", Status: "error", Phase: "backoff", Restarts: 14, NextAttempt: next,
			LastExit: api.LastExit{Code: &code1, Text: "ended with exit code 1", Reason: "the bus\ncannot \x1b[2Jbe reached"}},
		{ID: 10, Exchange: "binance", Symbol: "ADAUSDT", Timeframe: "1m", Status: "stopped", Phase: "stopped", LastError: "velador was stopped"},
		{ID: 11, Exchange: "binance", Symbol: "DOTUSDT", Timeframe: "1m", Status: "running", Phase: "starting"},
		{ID: 12, Exchange: "binance", Symbol: "SOLUSDT", Timeframe: "1m", Status: "error", Phase: "backoff", NextAttempt: api.Time{Time: lookedAt}},
	}
}

func statusTable(t *testing.T, list []api.CollectorStatus, width int) string {
	t.Helper()
	var out strings.Builder
	if err := printStatus(&out, list, width, lookedAt); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTheTableShowsEveryColumnWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	want := `
ID  PID    EXCHANGE  SYMBOL                                    TIMEFRAME  STATUS   PHASE        UPTIME  LAST CANDLE  GAPS   RATE   CPU  MEMORY  RESTARTS
7   12345  binance   ETHUSDT                                   1m         running  live          1h02m      12s ago     1  3.5/s  0.4%   18MiB         2
8   12346  binance   BTCUSDT,BTCUSDT,BTCUSDT,BTCUSDT,BTCUSDT,  1h         running  backfilling      0s            -     0  0.0/s  0.0%       -         0
9   -      binance   XRPUSDT                                   1m         error    backoff           -            -     -      -     -       -        14
10  -      binance   ADAUSDT                                   1m         stopped  stopped           -            -     -      -     -       -         0
11  -      binance   DOTUSDT                                   1m         running  starting          -            -     -      -     -       -         0
12  -      binance   SOLUSDT                                   1m         error    backoff           -            -     -      -     -       -         0

9  XRPUSDT 1m: is tried again in 12s; its process ended with exit code 1: the bus cannot [2Jbe reached
10  ADAUSDT 1m: stopped: velador was stopped
12  SOLUSDT 1m: is tried again now
`
	if got := statusTable(t, shown(), 0); got != want[1:] {
		t.Errorf("the table is\n%s, not%s", got, want)
	}
}

func TestTheTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	list := shown()[:2]
	list[1].Symbol = "BTCUSDT"
	want := `
ID  PID    SYMBOL   TIMEFRAME  PHASE        UPTIME  LAST CANDLE  GAPS  RESTARTS
7   12345  ETHUSDT  1m         live          1h02m      12s ago     1         2
8   12346  BTCUSDT  1h         backfilling      0s            -     0         0
`
	if got := statusTable(t, list, 80); got != want[1:] {
		t.Errorf("in eighty columns the table is\n%s, not%s", got, want)
	}
	// The narrowest that keeps what a collector is named by.
	const narrowest = 52
	for width := narrowest; width < 200; width++ {
		for line := range strings.Lines(statusTable(t, shown()[:2], width)) {
			if got := text.StringWidth(strings.TrimSuffix(line, "\n")); got > width {
				t.Fatalf("in %d columns a line is %d wide: %s", width, got, line)
			}
		}
	}
	if got := statusTable(t, shown()[:2], 1); !strings.Contains(got, "12345") || !strings.Contains(got, "BTCUSDT…") {
		t.Errorf("in one column the table is\n%s", got)
	}
}

func TestMemoryIsSaidInWholeUnits(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{-1: "-", 0: "-", 1 << 20: "1MiB", 18<<20 + 1<<19: "19MiB", 900 << 20: "900MiB", 12 << 30: "12GiB"} {
		if got := memory(bytes); got != want {
			t.Errorf("%d bytes are %s", bytes, got)
		}
	}
}

// askServer runs a client command against a server over parts in memory, in which one collector runs and
// one waits for its next attempt.
func askServer(t *testing.T, args ...string) (string, error) {
	t.Helper()
	clock := func() time.Time { return lookedAt }
	fleet := servertest.NewFleet(clock, "ETHUSDT", "BTCUSDT")
	for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
		if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: symbol, Timeframe: candle.Minute1}); err != nil {
			t.Fatal(err)
		}
	}
	fleet.Ended(2, collector.Exit{At: lookedAt.Add(90 * time.Second), Known: true, Signal: 9, Reason: "killed"}, time.Now().Add(time.Hour))
	h := httptest.NewServer(server.New(server.Config{
		Fleet: fleet, Candles: servertest.Minutes("ETHUSDT", 0, 1), Logs: servertest.NewLogs(), Clock: clock,
	}).Handler())
	defer h.Close()
	var out strings.Builder
	p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &out}
	root := p.root()
	root.SetArgs(append(args, "--server", h.URL, "--env-file", "/dev/null"))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestStatusListsWhatRunsAndWithAllWhatWaits(t *testing.T) {
	t.Parallel()
	out, err := askServer(t, "status")
	if err != nil || !strings.Contains(out, "ETHUSDT") || strings.Contains(out, "BTCUSDT") {
		t.Errorf("the status is %s (%v)", out, err)
	}
	out, err = askServer(t, "status", "--all")
	if err != nil || !strings.Contains(out, "\n2  BTCUSDT 1m: is tried again in 1h00m; its process ended by signal 9 (SIGKILL): killed\n") {
		t.Errorf("with --all the status is %s (%v)", out, err)
	}
	out, err = askServer(t, "status", "--all", "--json")
	var answer api.CollectorsAnswer
	if err != nil || json.Unmarshal([]byte(out), &answer) != nil || len(answer.Collectors) != 2 || answer.Collectors[1].Phase != "backoff" {
		t.Errorf("as JSON the status is %s (%v)", out, err)
	}
}

func TestHistoryListsFormerLives(t *testing.T) {
	t.Parallel()
	out, err := askServer(t, "history", "2")
	want := `
PID    HOST      STARTED                   ENDED                     LASTED  HOW                          WHY
12346  testhost  2026-11-24T12:00:00.000Z  2026-11-24T12:01:30.000Z  1m30s   ended by signal 9 (SIGKILL)  killed
`
	if err != nil || out != want[1:] {
		t.Errorf("the history is\n%s (%v), not%s", out, err, want)
	}
	if out, err = askServer(t, "history", "1"); err != nil || out != "No life of its process has ended.\n" {
		t.Errorf("without an end the history is %s (%v)", out, err)
	}
	out, err = askServer(t, "history", "2", "--json")
	var answer api.HistoryAnswer
	if err != nil || json.Unmarshal([]byte(out), &answer) != nil || answer.ID != 2 || len(answer.Lives) != 1 || answer.Lives[0].Signal != 9 {
		t.Errorf("as JSON the history is %s (%v)", out, err)
	}
	for code, args := range map[int][][]string{
		ExitUsage:    {{"history"}, {"history", "x"}, {"history", "0"}, {"history", "2", "--limit", "0"}, {"history", "2", "--limit", "1001"}},
		ExitNotFound: {{"history", "9"}},
	} {
		for _, one := range args {
			if _, err := askServer(t, one...); exitCode(err) != code {
				t.Errorf("%v ends with %v", one, err)
			}
		}
	}
}
