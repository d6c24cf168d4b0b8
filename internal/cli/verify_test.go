package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
	"velador/internal/server"
	"velador/internal/server/servertest"
	"velador/internal/store"
	"velador/internal/store/sqlite"
	"velador/internal/verify"
)

// pastVenue is an exchange that only has a past.
type pastVenue struct {
	rows []candle.Candle
	err  error           // of questions about candles
	hold <-chan struct{} // they are answered when it is closed; nil: at once
}

func (v *pastVenue) Time(context.Context) (candle.Millis, error) {
	return candle.MillisOf(lookedAt), nil
}

func (v *pastVenue) Candles(ctx context.Context, _ string, _ candle.Timeframe, r candle.Range) (exchange.Page, error) {
	if v.hold != nil {
		select {
		case <-v.hold:
		case <-ctx.Done():
			return exchange.Page{}, ctx.Err()
		}
	}
	p := exchange.Page{AsOf: candle.MillisOf(lookedAt)}
	for _, c := range v.rows {
		if r.Contains(c.OpenTime) {
			p.Candles = append(p.Candles, c)
		}
	}
	return p, v.err
}

// verifyServer is a server over a real database of ETHUSDT 1m, whose 120 candles begin at noon of
// 2025-11-04: the digit of one is wrong, and two are missing.
func verifyServer(t *testing.T) (address string, venue *pastVenue) {
	t.Helper()
	market := servertest.Minutes("ETHUSDT", candle.MillisOf(time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)), 120)
	venue = &pastVenue{rows: market.Stored}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "velador.db")})
	if err == nil {
		_, err = db.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	for i, c := range market.Stored {
		if i == 31 {
			c.Close = candle.MustDecimal("100.00000999")
		}
		if i != 70 && i != 71 {
			entries = append(entries, store.Entry{Series: market.Series, Candle: c})
		}
	}
	if _, err := db.Write(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server.New(server.Config{
		Fleet: servertest.NewFleet(nil, "ETHUSDT"), Candles: db, Logs: servertest.NewLogs(), Exchanges: []string{"binance"},
		Verifier: &verify.Verifier{Venue: venue, Candles: db},
	}).Handler())
	t.Cleanup(func() {
		h.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h.URL, venue
}

// untimed replaces how long something took.
func untimed(s string) string {
	return regexp.MustCompile(` +[0-9]+\.[0-9]s\n`).ReplaceAllString(s, " -\n")
}

const threeWrong = `2025-11-04T12:31:00.000Z  differing  close 100.00000999 → 100.00000031
2025-11-04T13:10:00.000Z  missing    100.10000000 101.00000000 99.5 100.00000070 12.34500000
2025-11-04T13:11:00.000Z  missing    100.10000000 101.00000000 99.5 100.00000071 12.34500000
`

func TestVerifyListsWhatIsWrongAndReports(t *testing.T) {
	t.Parallel()
	address, _ := verifyServer(t)
	call := []string{"verify", "ETHUSDT", "1m", "--server", address}
	got, said, code := run(t, append(call, "--dry-run")...)
	if code != ExitDifferences || said != "" || !strings.HasPrefix(got, threeWrong+"ETHUSDT 1m on binance: 3 candles are wrong; nothing was changed.\n") || strings.Contains(got, "confirmed") {
		t.Errorf("a dry run: exit code %d, %q, and\n%s", code, said, got)
	}
	got, said, code = run(t, call...)
	want := threeWrong + `ETHUSDT 1m on binance: 3 candles were wrong, 3 of them corrected.
  from            2025-11-04T12:00:00.000Z
  to              2025-11-04T13:59:00.000Z
  compared             118
  differing              1
  missing                2
  vanished               0
  absent                 0
  corrected              3
  requests               2
  took -
The series is confirmed from 2025-11-04T12:00:00.000Z to 2025-11-04T13:59:00.000Z.
`
	if code != ExitDifferences || said != "" || untimed(got) != want {
		t.Errorf("exit code %d, %q, and\n%s\nnot\n%s", code, said, got, want)
	}
	got, said, code = run(t, call...)
	if code != ExitOK || said != "" || !strings.HasPrefix(got, "ETHUSDT 1m on binance: everything stored is as the exchange has it.\n") || !strings.Contains(got, "compared             120\n") {
		t.Errorf("the second time: exit code %d, %q, and\n%s", code, said, got)
	}
}

func TestVerifyAsJSONIsTheReportOfTheAPI(t *testing.T) {
	t.Parallel()
	address, _ := verifyServer(t)
	var report api.VerifyReport
	got, said, code := run(t, "verify", "ETHUSDT", "1m", "--server", address, "--json", "--from", "2025-11-04 12:31", "--to", "2025-11-04T13:10:30Z")
	if err := json.Unmarshal([]byte(got), &report); err != nil || code != ExitDifferences || said != "" {
		t.Fatalf("exit code %d, %v: %s%s", code, err, got, said)
	}
	// It ends with the newest stored one, before the hole.
	if report.Checked != 39 || report.Differing != 1 || report.Missing != 0 || report.Corrected != 1 || *report.To != candle.MillisOf(time.Date(2025, 11, 4, 13, 9, 0, 0, time.UTC)).Time().UnixMilli() {
		t.Errorf("%+v", report)
	}
}

func TestWhatCannotBeVerifiedEndsWithItsExitCode(t *testing.T) {
	t.Parallel()
	address, venue := verifyServer(t)
	for code, calls := range map[int][][]string{
		ExitNotFound: {{"NOSUCH", "1m"}, {"ETHUSDT", "1h"}, {"ETHUSDT", "1m", "--from", "2026-01-01"}},
		ExitUsage:    {{"ETHUSDT"}, {"ETHUSDT", "2m"}, {"ETHUSDT", "1m", "--from", "once"}, {"ETHUSDT", "1m", "--from", "2025-11-05", "--to", "2025-11-04"}, {"ETHUSDT", "1m", "--exchange", "mtgox"}},
	} {
		for _, args := range calls {
			out, said, got := run(t, append(append([]string{"verify"}, args...), "--server", address)...)
			if got != code || out != "" || !strings.HasPrefix(said, "velador: ") {
				t.Errorf("%q ends with %d, not %d: %s%s", args, got, code, out, said)
			}
		}
	}
	// The server does answer: that the exchange has no such market is no reason to look for another server.
	venue.err = problem.New(problem.NotFound, problem.CodeUnknownSymbol, nil, "x", "symbol", "ETHUSDT", "exchange", "binance")
	out, said, code := run(t, "verify", "ETHUSDT", "1m", "--server", address)
	if code != ExitFailure || out != "" || said != "velador: verifying ETHUSDT 1m: the verification broke off: The symbol ETHUSDT does not exist on binance\n" {
		t.Errorf("an exchange that lost the market ends with %d: %s%s", code, out, said)
	}
	for status, body := range map[int]string{http.StatusConflict: `{"error":"x","code":"verifying"}`, http.StatusServiceUnavailable: `{"error":"x","code":"too_many_verifications"}`, http.StatusOK: "event: progress\ndata: {}\n\n"} {
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		out, said, code := run(t, "verify", "ETHUSDT", "1m", "--server", h.URL)
		h.Close()
		want := map[int]int{http.StatusConflict: ExitConflict, http.StatusServiceUnavailable: ExitFailure, http.StatusOK: ExitFailure}[status]
		if code != want || out != "" || said == "" {
			t.Errorf("%d %s ends with %d: %s%s", status, body, code, out, said)
		}
	}
}

func TestWhereNobodyWatchesALineSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	g := (&program{stderr: &strings.Builder{}}).newGauge("verifying ETHUSDT 1m", "candles", 28_800)
	for _, test := range []struct {
		done int64
		note string
		took time.Duration
		want string
	}{
		{0, "", 0, "verifying ETHUSDT 1m: 0 of 28800 candles"},
		{12_000, "", 12 * time.Second, "verifying ETHUSDT 1m: 12000 of 28800 candles, 1000/s, 17s left"},
		{28_800, "2 wrong", 10 * time.Second, "verifying ETHUSDT 1m: 28800 of 28800 candles, 2880/s, 0s left, 2 wrong"},
	} {
		if got := g.line(test.done, test.note, test.took); got != test.want {
			t.Errorf("%q, not %q", got, test.want)
		}
	}
	v := api.VerifyProgress{Differing: 1, Vanished: 1, Waiting: api.Time{Time: lookedAt}}
	if got := verifyNote(v); got != "2 wrong, the exchange refuses requests until 2026-11-24T12:00:00.000Z" {
		t.Errorf("beside it stands %q", got)
	}
}
