package cli

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"velador/internal/candle"
	"velador/internal/simulate"
)

// nobody is an address at which nothing listens.
const nobody = "http://127.0.0.1:1"

// exchangeAt is a simulated exchange whose clock shows a time.
func exchangeAt(t *testing.T, at time.Time) (address string) {
	t.Helper()
	sim, err := simulate.New(simulate.Options{From: candle.MillisOf(at), Seed: 1, Symbols: []string{"BTCUSDT"}})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(sim.Handler())
	t.Cleanup(h.Close)
	return h.URL
}

// diagnose has the doctor look, in a data directory and with settings. Of what is not set there is
// nothing.
func diagnose(t *testing.T, dir string, env ...string) (d diagnosis, code int) {
	t.Helper()
	all := append([]string{"LANG=en_US.UTF-8", "VELADOR_DATA_DIR=" + dir}, env...)
	for _, absent := range []string{"VELADOR_SERVER", "VELADOR_BINANCE_REST_URL"} {
		if !slices.ContainsFunc(all, func(entry string) bool { return strings.HasPrefix(entry, absent+"=") }) {
			all = append(all, absent+"="+nobody)
		}
	}
	var out, said strings.Builder
	code = Main([]string{"doctor", "--json", "--env-file", os.DevNull}, all, strings.NewReader(""), &out, &said)
	if err := json.Unmarshal([]byte(out.String()), &d); err != nil {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out.String(), said.String())
	}
	if code != map[bool]int{true: ExitOK, false: ExitFailure}[d.OK] || said.Len() > 0 {
		t.Errorf("exit code %d where all is well: %v; it says %q", code, d.OK, said.String())
	}
	for _, f := range d.Checks {
		if (f.State == isWell) != (f.Do == "") || f.Says == "" {
			t.Errorf("%+v: what is well needs nothing done, and what is not needs something", f)
		}
	}
	return d, code
}

// wants looks for what was found of something, in a state, with words.
func (d diagnosis) wants(t *testing.T, what, state, words string) {
	t.Helper()
	for _, f := range d.Checks {
		if f.What == what && f.State == state && strings.Contains(f.Says+" | "+f.Do, words) {
			return
		}
	}
	t.Errorf("of %s nothing is found %s with %q in %+v", what, state, words, d.Checks)
}

func TestDoctorOfAFreshMachineFindsNothingBrokenAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, code := diagnose(t, dir, "VELADOR_BINANCE_REST_URL="+exchangeAt(t, time.Now()))
	if code != ExitOK {
		t.Errorf("exit code %d: %+v", code, d)
	}
	d.wants(t, "settings", isWell, "they agree")
	d.wants(t, "data directory", isWell, dir+" is writable")
	d.wants(t, "database", isWell, "there is none yet")
	d.wants(t, "bus", isWell, "starts with velador serve")
	d.wants(t, "binance", isWell, "of the request weight of this minute are used")
	d.wants(t, "clock", isWell, "of binance")
	d.wants(t, "server", isPoor, "none answers at "+nobody+": connect: connection refused | velador serve starts one")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("it leaves %v (%v)", entries, err)
	}
}

func TestDoctorsJSONHasTheSameMembersForEver(t *testing.T) {
	t.Parallel()
	out, _, _ := run(t, "doctor", "--json", "--data-dir", t.TempDir(), "--server", nobody, "--binance-rest-url", nobody)
	var raw map[string]any
	if err := json.Unmarshal([]byte(out), &raw); err != nil {
		t.Fatal(err)
	}
	if len(raw) != 2 || raw["ok"] != false {
		t.Errorf("its members are %v", raw)
	}
	for _, one := range raw["checks"].([]any) {
		f := one.(map[string]any)
		_, state := f["state"].(string)
		_, what := f["what"].(string)
		_, says := f["says"].(string)
		_, do := f["do"].(string)
		if len(f) != 4 || !state || !what || !says || !do {
			t.Errorf("a check is %v", f)
		}
	}
}

func TestACheckThatHangsOrPanicsIsToldAndTheOthersStand(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	d, err := examine(t.Context(), []check{
		{"first", func(context.Context) []finding { return []finding{well("first", "fine")} }},
		{"disk", func(context.Context) []finding { <-hang; return nil }},
		{"wordy", func(context.Context) []finding {
			return []finding{poor("wordy", "wait", "it took\nlong")}
		}},
		{"broken", func(context.Context) []finding { panic("oh") }},
	}, 2*time.Second)
	if err != nil || d.OK || len(d.Checks) != 4 {
		t.Fatalf("%+v (%v)", d, err)
	}
	d.wants(t, "first", isWell, "fine")
	d.wants(t, "disk", isBroken, "no answer within 2s")
	d.wants(t, "wordy", isPoor, "it took long")
	d.wants(t, "broken", isBroken, "oh | this is a mistake of velador")

	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if _, err := examine(ctx, []check{{"disk", func(context.Context) []finding { <-hang; return nil }}}, time.Hour); exitCode(err) != exitInterrupted {
		t.Errorf("interrupted it ends with %v", err)
	}
}

// found is one of each.
func found() diagnosis {
	return diagnosis{Checks: []finding{
		well("settings", "they agree with each other"),
		poor("disk", "make room soon; --log-total bounds the logs", "3.0 GiB of 252 GiB are free on the disk of the data directory"),
		broken("binance", "look at the internet connection and the firewall; VELADOR_BINANCE_REST_URL names another address", "GET https://api.binance.com/api/v3/time: dial tcp: lookup api.binance.com: no such host"),
	}}
}

func TestDoctorsTableWrapsWhatIsTooLong(t *testing.T) {
	t.Parallel()
	const want = `
STATE  WHAT      SAYS                                  WHAT TO DO
ok     settings  they agree with each other
warn   disk      3.0 GiB of 252 GiB are free on the    make room soon;
                 disk of the data directory            --log-total bounds the
                                                       logs
fail   binance   GET                                   look at the internet
                 https://api.binance.com/api/v3/time:  connection and the
                 dial tcp: lookup api.binance.com: no  firewall;
                 such host                             VELADOR_BINANCE_REST_URL
                                                       names another address

1 failed, 1 to keep an eye on, 1 well.
`
	var out strings.Builder
	if err := printDiagnosis(&out, found(), 80, false); err != nil || out.String() != want[1:] {
		t.Errorf("in eighty columns (%v):\n%s", err, out.String())
	}
	for width := 60; width <= 240; width++ {
		for _, colours := range []bool{false, true} {
			out.Reset()
			if err := printDiagnosis(&out, found(), width, colours); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				line = strings.TrimSuffix(line, "\n")
				if got := text.StringWidthWithoutEscSequences(line); got > width || strings.HasSuffix(line, " ") {
					t.Fatalf("in %d columns a line is %d wide, or ends with a blank: %q", width, got, line)
				}
			}
			if strings.Contains(out.String(), "\x1b[32mok\x1b[0m") != colours {
				t.Fatalf("colours wanted %v:\n%s", colours, out.String())
			}
		}
	}
	out.Reset()
	if err := printDiagnosis(&out, found(), 0, false); err != nil || strings.Count(out.String(), "\n") != 6 {
		t.Errorf("into a pipe:\n%s", out.String())
	}
	out.Reset()
	if err := printDiagnosis(&out, diagnosis{OK: true, Checks: found().Checks[:1]}, 0, false); err != nil || !strings.HasSuffix(out.String(), "\nEverything is well.\n") {
		t.Errorf("of what is well it says:\n%s", out.String())
	}
}

func TestDoctorPrintsATableWithItsVerdictLast(t *testing.T) {
	t.Parallel()
	out, said, code := run(t, "doctor", "--data-dir", filepath.Join(t.TempDir(), "new"), "--server", nobody, "--binance-rest-url", nobody)
	if code != ExitFailure || said != "" || !strings.HasPrefix(out, "STATE  WHAT  ") || !strings.Contains(out, "\nfail   binance ") || !strings.Contains(out, " failed, ") {
		t.Errorf("exit code %d, %q:\n%s", code, said, out)
	}
}
