package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/server"
	"velador/internal/server/servertest"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

// coverageServer is a server over a real database. ETHUSDT 1m begins on 2023-03-20 at 15:00 and holds
// the outage of 2023-03-24, known as absent; on the 26th some came late, on the 28th some are missing
// still, and it ends on 2023-04-02 at 07:59. ETHUSDT 1w holds five weeks, one of them missing.
func coverageServer(t *testing.T) string {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "velador.db")})
	if err == nil {
		_, err = db.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) candle.Millis {
		m, err := candle.ParseMillis(text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	var entries []store.Entry
	minutes := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	missing := func(from, to string, state candle.GapState) candle.Range {
		r := candle.Range{From: at(from), To: at(to)}
		entries = append(entries, store.Entry{Series: minutes, Gap: &candle.Gap{Series: minutes, Range: r, State: state, Proofs: 3}})
		return r
	}
	outage := missing("2023-03-24T12:40:00Z", "2023-03-24T13:59:00Z", candle.GapAbsent)
	open := missing("2023-03-28T10:00:00Z", "2023-03-28T10:11:00Z", candle.GapOpen)
	missing("2023-03-26T23:58:00Z", "2023-03-27T00:07:00Z", candle.GapRepaired)
	for m := at("2023-03-20T15:00:00Z"); m < at("2023-04-02T08:00:00Z"); m += 60_000 {
		if !outage.Contains(m) && !open.Contains(m) {
			entries = append(entries, store.Entry{Series: minutes, Candle: candle.Candle{OpenTime: m, CloseTime: m + 59_999, Open: candle.MustDecimal("1")}})
		}
	}
	weeks := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Week1}
	for _, monday := range []string{"2023-03-06", "2023-03-13", "2023-03-27", "2023-04-03"} {
		entries = append(entries, store.Entry{Series: weeks, Candle: candle.Candle{OpenTime: at(monday), Open: candle.MustDecimal("1")}})
	}
	if _, err := db.Write(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server.New(server.Config{
		Fleet: servertest.NewFleet(nil, "ETHUSDT"), Candles: db, Logs: servertest.NewLogs(), Exchanges: []string{"binance"},
	}).Handler())
	t.Cleanup(func() {
		h.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h.URL
}

// run runs a command as Main does and gives what it prints and its exit code.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, said strings.Builder
	code = Main(append(args, "--env-file", os.DevNull), []string{"LANG=en_US.UTF-8"}, strings.NewReader(""), &out, &said)
	return out.String(), said.String(), code
}

func TestCoverageIsACalendarOfEachMonth(t *testing.T) {
	t.Parallel()
	address := coverageServer(t)
	want := `
ETHUSDT 1m on binance, 2023-03-20 to 2023-04-02 (UTC)

March 2023
Mo  Tu  We  Th  Fr  Sa  Su     expected  16,380
         1   2   3   4   5     present   16,288   99.43 %
 6   7   8   9  10  11  12     repaired      10
13  14  15  16  17  18  19     absent        80
20~ 21+ 22+ 23+ 24a 25+ 26r    open          12
27r 28! 29+ 30+ 31+

April 2023
Mo  Tu  We  Th  Fr  Sa  Su     expected  1,920
                     1+  2~    present   1,920   100.00 %
 3   4   5   6   7   8   9     repaired      0
10  11  12  13  14  15  16     absent        0
17  18  19  20  21  22  23     open          0
24  25  26  27  28  29  30

Total                          expected  18,300
14 days                        present   18,208   99.49 %
2 months                       repaired      10
                               absent        80
                               open          12

+ complete   ~ part of a day   r repaired   a absent at source   ! open
`
	got, said, code := run(t, "coverage", "ETHUSDT", "1m", "--server", address)
	if code != ExitOK || got != want[1:] || said != "" {
		t.Errorf("exit code %d, %q, and\n%s\nnot%s", code, said, got, want)
	}
}

func TestCoverageOfAMonthIsThatMonth(t *testing.T) {
	t.Parallel()
	address := coverageServer(t)
	want := `
ETHUSDT 1m on binance, 2023-04-01 to 2023-04-02 (UTC)

April 2023
Mo  Tu  We  Th  Fr  Sa  Su     expected  1,920
                     1+  2~    present   1,920   100.00 %
 3   4   5   6   7   8   9     repaired      0
10  11  12  13  14  15  16     absent        0
17  18  19  20  21  22  23     open          0
24  25  26  27  28  29  30

+ complete   ~ part of a day   r repaired   a absent at source   ! open
`
	if got, _, code := run(t, "coverage", "ETHUSDT", "1m", "--server", address, "--month", "2023-04"); code != ExitOK || got != want[1:] {
		t.Errorf("exit code %d and\n%s\nnot%s", code, got, want)
	}
	// A date as the end means all of its day.
	got, _, code := run(t, "coverage", "ETHUSDT", "1m", "--server", address, "--from", "2023-03-22", "--to", "2023-03-23")
	if code != ExitOK || !strings.Contains(got, "\n20  21  22+ 23+ 24  25  26 ") || !strings.Contains(got, "expected  2,880\n") {
		t.Errorf("exit code %d and\n%s", code, got)
	}
	// A stretch in which nothing is known, of a series that is.
	got, said, code := run(t, "coverage", "ETHUSDT", "1m", "--server", address, "--month", "2022-01")
	if code != ExitOK || got != "Nothing of ETHUSDT 1m on binance is stored, or known as missing, between these times.\n" {
		t.Errorf("exit code %d, %s%s", code, got, said)
	}
}

func TestCoverageOfWeeksMarksTheDaysOnWhichTheyOpen(t *testing.T) {
	t.Parallel()
	address := coverageServer(t)
	want := `
ETHUSDT 1w on binance, 2023-03-06 to 2023-04-03 (UTC)

March 2023
Mo  Tu  We  Th  Fr  Sa  Su     expected  4
         1   2   3   4   5     present   3   75.00 %
 6+  7   8   9  10  11  12     repaired  0
13+ 14  15  16  17  18  19     absent    0
20! 21  22  23  24  25  26     open      1
27+ 28  29  30  31
`
	got, _, code := run(t, "coverage", "ETHUSDT", "1w", "--server", address)
	if code != ExitOK || !strings.HasPrefix(got, want[1:]) || !strings.Contains(got, "\n 3+  4   5 ") {
		t.Errorf("exit code %d and\n%s\nnot%s", code, got, want)
	}
}

func TestCoverageAsJSONIsTheAnswerOfTheAPI(t *testing.T) {
	t.Parallel()
	address := coverageServer(t)
	got, _, code := run(t, "coverage", "ETHUSDT", "1m", "--server", address, "--month", "2023-03", "--json")
	var answer api.CoverageAnswer
	if err := json.Unmarshal([]byte(got), &answer); err != nil || code != ExitOK || len(answer.Days) != 12 || len(answer.Gaps) != 3 {
		t.Fatalf("exit code %d, %v, %s", code, err, got)
	}
	if want := (api.Day{Date: "2023-03-24", Expected: 1440, Present: 1360, Absent: 80}); answer.Days[4] != want {
		t.Errorf("the day of the outage is %+v", answer.Days[4])
	}
}

func TestCoverageOfAnUnknownSeriesEndsWithNotFound(t *testing.T) {
	t.Parallel()
	address := coverageServer(t)
	for code, calls := range map[int][][]string{
		ExitNotFound: {{"NOSUCH", "1m"}, {"ethusdt", "1m"}, {"ETHUSDT", "1h"}, {"NOSUCH", "1m", "--json"}, {"NOSUCH", "1m", "--month", "2023-03"}},
		ExitUsage: {{"ETHUSDT"}, {"ETHUSDT", "2m"}, {"ETH USDT", "1m"}, {"ETHUSDT", "1m", "--month", "March"}, {"ETHUSDT", "1m", "--month", "2023-13"},
			{"ETHUSDT", "1m", "--from", "yesterday"}, {"ETHUSDT", "1m", "--to", "never"}, {"ETHUSDT", "1m", "--exchange", "mtgox"},
			{"ETHUSDT", "1m", "--month", "2023-03", "--from", "2023-03-01"}, {"ETHUSDT", "1m", "--from", "2023-03-02", "--to", "2023-03-01"}},
	} {
		for _, args := range calls {
			out, said, got := run(t, append(append([]string{"coverage"}, args...), "--server", address)...)
			if got != code || out != "" || !strings.HasPrefix(said, "velador: ") {
				t.Errorf("%q ends with %d, not %d: %s%s", args, got, code, out, said)
			}
		}
	}
	if _, said, _ := run(t, "coverage", "NOSUCH", "1m", "--server", address); !strings.HasPrefix(said, "velador: nothing of NOSUCH 1m on binance is stored there: ") {
		t.Errorf("it says %s", said)
	}
	if _, _, code := run(t, "coverage", "ETHUSDT", "1m", "--server", "http://127.0.0.1:1"); code != ExitFailure {
		t.Errorf("without a server it ends with %d", code)
	}
}

func TestAForeignAnswerIsNoCalendar(t *testing.T) {
	t.Parallel()
	for _, date := range []string{"", "x", "2023-02-30", "2023-3-1", "\u001b[2J"} {
		body, err := json.Marshal(map[string]any{"first": 1, "days": []api.Day{{Date: date, Expected: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
		out, said, code := run(t, "coverage", "ETHUSDT", "1m", "--server", h.URL)
		h.Close()
		if code != ExitFailure || out != "" || !strings.Contains(said, "a day that is none") {
			t.Errorf("a day named %q ends with %d: %s%s", date, code, out, said)
		}
	}
}

func TestTheWorstOfADayIsItsMark(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		day  api.Day
		want dayMark
	}{
		{api.Day{}, markNothing},
		{api.Day{Expected: 1440, Present: 1440}, markComplete},
		{api.Day{Expected: 700, Present: 700}, markPartial},
		{api.Day{Expected: 700, Present: 700, Repaired: 1}, markRepaired},
		{api.Day{Expected: 1440, Present: 1439, Repaired: 9, Absent: 1}, markAbsent},
		{api.Day{Expected: 1440, Present: 1438, Repaired: 9, Absent: 1, Open: 1}, markOpen},
		{api.Day{Expected: 1440, Open: 1440}, markOpen},
	} {
		if got := markOf(test.day, 1440); got != test.want {
			t.Errorf("%+v is %s", test.day, got.name)
		}
	}
}

func TestColoursSayNoMoreThanTheSigns(t *testing.T) {
	t.Parallel()
	answer := api.CoverageAnswer{Symbol: "ETHUSDT", Timeframe: "1d", Exchange: "binance"}
	for _, d := range []api.Day{{Date: "2027-02-01", Present: 1}, {Date: "2027-02-02", Open: 1}, {Date: "2027-02-28", Absent: 1}} {
		d.Expected = 1
		answer.Days = append(answer.Days, d)
	}
	plain, err := coverageCalendar(answer, false)
	coloured, err2 := coverageCalendar(answer, true)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, cell := range []string{"\x1b[32m 1+\x1b[0m", "\x1b[1;31m 2!\x1b[0m", "\x1b[35m28a\x1b[0m", "\x1b[2m 3 \x1b[0m", "\x1b[33mr\x1b[0m repaired"} {
		if !strings.Contains(coloured, cell) {
			t.Errorf("there is no %q in %q", cell, coloured)
		}
	}
	bare := coloured
	for _, code := range []string{"32", "36", "33", "35", "1;31", "2", "0"} {
		bare = strings.ReplaceAll(bare, "\x1b["+code+"m", "")
	}
	if strings.Contains(plain, "\x1b") || bare != plain && strings.ReplaceAll(bare, " \n", "\n") != plain {
		t.Errorf("without colours it is\n%s\nwith them\n%s", plain, bare)
	}
	for line := range strings.Lines(plain) {
		if len(line) > 80 || strings.HasSuffix(line, " \n") {
			t.Errorf("%q is longer than 80 columns, or ends with a blank", line)
		}
	}
}

func TestAShareIsNeverRoundedUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		part, whole int64
		want        string
	}{{0, 0, "-"}, {0, 3, "0.00 %"}, {2, 3, "66.66 %"}, {525_599, 525_600, "99.99 %"}, {315_360_000, 315_360_000, "100.00 %"}} {
		if got := percent(test.part, test.whole); got != test.want {
			t.Errorf("%d of %d are %s", test.part, test.whole, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 5_256_000: "5,256,000"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
}
