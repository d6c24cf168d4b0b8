package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"velador/api"
)

// widths goes through tables of all widths, and holds that none of their lines is wider, from the least
// on that they need.
func widths(t *testing.T, least int, print func(w *strings.Builder, width int) error) {
	t.Helper()
	for width := least; width <= 240; width++ {
		var out strings.Builder
		if err := print(&out, width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if text.StringWidth(line) > width || strings.HasSuffix(line, " ") {
				t.Fatalf("in %d columns a line is %d wide, or ends with a blank: %q", width, text.StringWidth(line), line)
			}
		}
	}
}

func TestCandlesFitTheTerminal(t *testing.T) {
	t.Parallel()
	one := api.Candle{OpenTime: 1796077860000, Open: "97587.48000000", High: "97588.15000000", Low: "97585.79000000", Close: "97586.04000000", Volume: "158.26080000", Trades: 322}
	print := func(w *strings.Builder, width int) error { return printCandles(w, []api.Candle{one}, width) }
	widths(t, 80, print)
	for width, want := range map[int]string{
		0: `
OPEN TIME                   OPEN            HIGH             LOW           CLOSE        VOLUME  TRADES
2026-11-30 22:31  97587.48000000  97588.15000000  97585.79000000  97586.04000000  158.26080000     322
`,
		80: `
OPEN TIME                   OPEN            HIGH             LOW           CLOSE
2026-11-30 22:31  97587.48000000  97588.15000000  97585.79000000  97586.04000000
`,
	} {
		var out strings.Builder
		if err := print(&out, width); err != nil || out.String() != want[1:] {
			t.Errorf("in %d columns (%v):\n%s", width, err, out.String())
		}
	}
	one.OpenTime += 1000
	var out strings.Builder
	if err := print(&out, 0); err != nil || !strings.Contains(out.String(), "\n2026-11-30 22:31:01  ") {
		t.Errorf("of a second (%v):\n%s", err, out.String())
	}
}

func TestAHistoryFitsTheTerminalAndKeepsItsReasons(t *testing.T) {
	t.Parallel()
	begun := api.Time{Time: lookedAt}
	lives := []api.Life{
		{PID: 12345, Host: "tokio-1", StartedAt: begun, EndedAt: api.Time{Time: lookedAt.Add(26 * time.Hour)}, Text: "ended by signal 9 (SIGKILL)", Reason: strings.Repeat("the exchange does not answer and ", 8)},
		{Host: "tokio-1", StartedAt: begun, EndedAt: begun, Text: "ended with exit code 0"},
	}
	print := func(w *strings.Builder, width int) error { return printHistory(w, lives, width) }
	widths(t, 81, print)
	const want = `
STARTED                   LASTED  HOW                          WHY
2026-11-24T12:00:00.000Z  1d2h    ended by signal 9 (SIGKILL)  the exchange does not
`
	var out strings.Builder
	if err := print(&out, 84); err != nil || !strings.HasPrefix(out.String(), want[1:]) || strings.Count(strings.Join(strings.Fields(out.String()), " "), "answer and") != 8 {
		t.Errorf("in eighty-four columns (%v):\n%s", err, out.String())
	}
}

func TestColumnsThatMatterLessAreLeftOutFirst(t *testing.T) {
	t.Parallel()
	columns := []column{{name: "ID"}, {name: "A", gives: 2}, {name: "B", gives: 1}, {name: "NAME", least: 6}}
	cells := [][]string{{"1", "22"}, {"aaaa", "a"}, {"bbbb", "b"}, {"0123456789", "币币币币币币"}}
	for width, want := range map[int]string{
		0:  "ID  A     B     NAME|1   aaaa  bbbb  0123456789|22  a     b     币币币币币币|",
		28: "ID  A     B     NAME|1   aaaa  bbbb  0123456789|22  a     b     币币币币币币|",
		27: "ID  B     NAME|1   bbbb  0123456789|22  b     币币币币币币|",
		16: "ID  NAME|1   0123456789|22  币币币币币币|",
		15: "ID  NAME|1   0123456789|22  币币币币币…|",
		10: "ID  NAME|1   01234…|22  币币…|",
		3:  "ID  NAME|1   01234…|22  币币…|",
	} {
		own := make([][]string, len(cells))
		for i := range cells {
			own[i] = append([]string(nil), cells[i]...)
		}
		var out strings.Builder
		if err := printTable(&out, columns, own, width); err != nil || strings.ReplaceAll(out.String(), "\n", "|") != want {
			t.Errorf("in %d columns (%v) it is\n%s", width, err, out.String())
		}
	}
	if got := strings.Join([]string{shorten("币币", 3), shorten("abc", 3), shorten("abcd", 3)}, " "); got != "币… abc ab…" {
		t.Errorf("shortened: %s", got)
	}
}
