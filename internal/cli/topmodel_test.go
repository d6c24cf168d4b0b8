package cli

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"velador/api"
	"velador/client"
)

// topOf is a model that shows so many collectors, with ids from 1 on.
func topOf(collectors, width, height int) *topModel {
	m := &topModel{server: "http://localhost:3000", closes: map[int64]*closes{}}
	m.update(sizeMsg{width, height})
	m.update(tickMsg(lookedAt))
	m.update(statusMsg{list: liveOnes(collectors)})
	return m
}

func liveOnes(n int) (list []api.CollectorStatus) {
	for i := range n {
		list = append(list, api.CollectorStatus{
			ID: int64(i + 1), PID: 101 + i, Exchange: "binance", Symbol: fmt.Sprintf("S%02dUSDT", i+1), Timeframe: "1m", Status: "running", Phase: "live",
			LastCandle: api.LastCandle{OpenTime: 60_000, AgeSeconds: 12},
		})
	}
	return list
}

// typed gives a model keys; it gives what the model wants done, closes aside.
func typed(m *topModel, keys ...key) (effects []effect) {
	for _, k := range keys {
		for _, e := range m.update(k) {
			if _, ok := e.(closesEffect); !ok {
				effects = append(effects, e)
			}
		}
	}
	return effects
}

func TestTopStopsOnlyWhatWasAskedAbout(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		keys []key
		want []effect
	}{
		{"s and y", []key{"s", "y"}, []effect{stopEffect{1}}},
		{"r and Y", []key{"j", "r", "Y"}, []effect{againEffect{2}}},
		{"a key s that is held down", []key{"s", "s", "s", "s"}, nil},
		{"n", []key{"s", "n"}, nil},
		{"Enter is no yes", []key{"s", keyEnter}, nil},
		{"Escape, and a y that comes late", []key{"s", keyEscape, "y"}, nil},
		{"q answers the question first", []key{"s", "q", "q"}, []effect{quitEffect{}}},
		{"the choice stands while a question does", []key{"s", "j", "G", "y"}, []effect{stopEffect{1}}},
		{"Ctrl-C ends it anywhere", []key{"s", keyInterrupt}, []effect{quitEffect{}}},
		{"y alone", []key{"y"}, nil},
		{"s in the filter is a letter", []key{"/", "s", "y", keyEnter}, nil},
		{"s in the help goes back", []key{"?", "s", "y"}, nil},
	} {
		if got := typed(topOf(3, 80, 24), test.keys...); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, not %v", test.name, got, test.want)
		}
	}
	m := topOf(3, 80, 24)
	typed(m, "j", "s")
	if foot := m.view()[23]; foot != "Stop S02USDT 1m (PID 102)? y/n" {
		t.Errorf("it asks %q", foot)
	}
	// Whatever the list becomes until the answer.
	m.update(statusMsg{list: liveOnes(1)})
	if got := typed(m, "y"); !reflect.DeepEqual(got, []effect{stopEffect{2}}) {
		t.Errorf("it does %v", got)
	}
	m.update(doneMsg{err: errors.New("no such\ncollector")})
	if foot := m.view()[23]; foot != "no such collector" {
		t.Errorf("at the foot stands %q", foot)
	}
	m.update(tickMsg(lookedAt.Add(noticeFor)))
	if foot := m.view()[23]; !strings.Contains(foot, "q quit") {
		t.Errorf("a notice stays: %q", foot)
	}
	if got := typed(topOf(0, 80, 24), "s", "y", "r", "y", "l", "j", "G"); got != nil {
		t.Errorf("of nothing it does %v", got)
	}
}

func TestTopKeepsToTheCollectorThatWasChosen(t *testing.T) {
	t.Parallel()
	chosen := func(m *topModel) int64 {
		c, _ := m.chosen()
		return c.ID
	}
	m := topOf(20, 80, 12) // seven rows
	for _, step := range []struct {
		keys []key
		want int64
	}{
		{nil, 1},
		{[]key{"k", keyUp}, 1},
		{[]key{"j", keyDown}, 3},
		{[]key{keyPageDown}, 9},
		{[]key{keyPageUp}, 3},
		{[]key{"G"}, 20},
		{[]key{"j"}, 20},
		{[]key{keyHome}, 1},
		{[]key{keyEnd, "k", "k"}, 18},
	} {
		if typed(m, step.keys...); chosen(m) != step.want {
			t.Fatalf("after %q collector %d is chosen, not %d", step.keys, chosen(m), step.want)
		}
		if !strings.Contains(strings.Join(m.view(), "\n"), fmt.Sprintf("\n> %d ", step.want)) {
			t.Fatalf("after %q the chosen one is not to be seen:\n%s", step.keys, strings.Join(m.view(), "\n"))
		}
	}
	less := slices.DeleteFunc(liveOnes(20), func(c api.CollectorStatus) bool { return c.ID < 10 })
	m.update(statusMsg{list: less})
	if chosen(m) != 18 {
		t.Errorf("when others end %d is chosen", chosen(m))
	}
	m.update(statusMsg{list: slices.DeleteFunc(less, func(c api.CollectorStatus) bool { return c.ID == 18 })})
	if chosen(m) != 19 {
		t.Errorf("when it ends itself %d is chosen", chosen(m))
	}
	m.update(statusMsg{list: liveOnes(4)})
	if chosen(m) != 4 {
		t.Errorf("when all behind it end too %d is chosen", chosen(m))
	}
}

func TestTopShowsWhatTheFilterLetsThrough(t *testing.T) {
	t.Parallel()
	m := topOf(12, 80, 24)
	rows := func() (n int) {
		for _, line := range m.view()[topHead:] {
			if strings.Contains(line, "USDT") && strings.Contains(line, "live") {
				n++
			}
		}
		return n
	}
	typed(m, "/", "s", "1", "q") // q is a letter here
	if got := rows(); got != 0 {
		t.Errorf("%d rows contain s1q", got)
	}
	if text := strings.Join(m.view(), "\n"); !strings.Contains(text, `nothing contains "s1q"`) || !strings.Contains(text, "show only: s1q_") {
		t.Errorf("the screen is\n%s", text)
	}
	typed(m, keyBackspace, keyLeftAlone, keyEnter)
	if got := rows(); got != 3 || m.filter != "s1" { // S10, S11, S12
		t.Errorf("%d rows contain %q", got, m.filter)
	}
	if got := typed(m, "s", "y"); !reflect.DeepEqual(got, []effect{stopEffect{10}}) {
		t.Errorf("the first of them is not the one that is stopped: %v", got)
	}
	typed(m, keyEscape)
	if got := rows(); got != 12 {
		t.Errorf("without a filter there are %d rows", got)
	}
	typed(m, "/", keyBackspace, keyEscape)
	if m.filtering || m.filter != "" {
		t.Error("Escape does not end the filter")
	}
}

// keyLeftAlone is a key that the filter knows nothing to do with.
const keyLeftAlone = keyPageUp

func TestTopFollowsTheLogOfTheCollectorThatIsChosen(t *testing.T) {
	t.Parallel()
	m := topOf(2, 60, 20)
	if got := typed(m, "l"); !reflect.DeepEqual(got, []effect{followEffect{1}}) {
		t.Fatalf("l does %v", got)
	}
	m.update(logMsg{1, "hello\tthere \x1b[31mred\x07"})
	m.update(logMsg{2, "of another one"})
	m.update(logMsg{1, strings.Repeat("币", 3000)})
	text := strings.Join(m.view(), "\n")
	if !strings.Contains(text, "── log of id 1 S01USDT 1m ─") || !strings.Contains(text, "\nhello there [31mred\n") || strings.Contains(text, "of another one") || !strings.Contains(text, "币币…") {
		t.Errorf("the screen is\n%s", text)
	}
	if got := typed(m, "j"); !reflect.DeepEqual(got, []effect{followEffect{2}}) {
		t.Errorf("the next row does %v", got)
	}
	if text := strings.Join(m.view(), "\n"); strings.Contains(text, "hello") {
		t.Errorf("the log of another one is shown:\n%s", text)
	}
	m.update(logOverMsg{2, nil})
	if text := strings.Join(m.view(), "\n"); !strings.Contains(text, "(it says no more)") {
		t.Errorf("its end is not said:\n%s", text)
	}
	for i := range 2 * maxLogLines {
		m.update(logMsg{2, fmt.Sprint("line ", i)})
	}
	if lines := m.log.lines; len(lines) != maxLogLines || lines[maxLogLines-1] != fmt.Sprint("line ", 2*maxLogLines-1) {
		t.Errorf("%d lines are kept", len(lines))
	}
	if got := typed(m, "l"); !reflect.DeepEqual(got, []effect{leaveEffect{}}) || m.log != nil {
		t.Errorf("a second l does %v", got)
	}
	if got := typed(m, keyEnter, keyEscape); !reflect.DeepEqual(got, []effect{followEffect{2}, leaveEffect{}}) {
		t.Errorf("Enter and Escape do %v", got)
	}
}

func TestTopAsksForClosesOfWhatIsSeenAFewAtATime(t *testing.T) {
	t.Parallel()
	m := &topModel{closes: map[int64]*closes{}}
	m.update(sizeMsg{120, 24})
	m.update(tickMsg(lookedAt))
	list := liveOnes(7)
	list[0].Symbol, list[1].Symbol = "*USDT", "AUSDT,BUSDT"
	asked := func(effects []effect) (ids []int64) {
		for _, e := range effects {
			ids = append(ids, e.(closesEffect).id)
		}
		return ids
	}
	effects := m.update(statusMsg{list: list})
	if got := asked(effects); !slices.Equal(got, []int64{2, 3, 4, 5}) {
		t.Fatalf("it asks for %v", got)
	}
	if got := effects[0].(closesEffect).series; got != (client.Series{Symbol: "AUSDT", Timeframe: "1m", Exchange: "binance"}) {
		t.Errorf("of a list it asks for %+v", got)
	}
	if got := asked(m.update(closesMsg{id: 2, values: []float64{1, 2, 3}})); !slices.Equal(got, []int64{6}) {
		t.Errorf("after one answer it asks for %v", got)
	}
	for id := int64(3); id <= 7; id++ {
		m.update(closesMsg{id: id, err: errors.New("away")})
	}
	if !strings.Contains(strings.Join(m.view(), "\n"), "▁▅█") {
		t.Errorf("no line is drawn:\n%s", strings.Join(m.view(), "\n"))
	}
	if got := m.update(tickMsg(lookedAt.Add(sparkEvery - 1))); got != nil {
		t.Errorf("too soon it asks for %v", asked(got))
	}
	// What failed is asked for again; what is there, when there is a newer candle.
	if got := asked(m.update(tickMsg(lookedAt.Add(sparkEvery)))); !slices.Equal(got, []int64{3, 4, 5, 6}) {
		t.Errorf("later it asks for %v", got)
	}
	for id := int64(3); id <= 7; id++ {
		m.update(closesMsg{id: id, values: []float64{1}})
	}
	list = liveOnes(7)
	list[1].LastCandle.OpenTime = 120_000
	if got := asked(m.update(statusMsg{list: list})); !slices.Contains(got, 2) || slices.Contains(got, 3) {
		t.Errorf("with a newer candle of the second it asks for %v", got)
	}
	m.update(statusMsg{list: list[:1]})
	if len(m.closes) > 1 {
		t.Errorf("of %d collectors that are gone closes are kept", len(m.closes)-1)
	}
}

func TestTopShowsWhatItHadWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	m := &topModel{closes: map[int64]*closes{}}
	m.update(sizeMsg{80, 24})
	if line := m.view()[1]; !strings.HasPrefix(line, "asking the server…") {
		t.Errorf("before the first answer it says %q", line)
	}
	m.update(statusMsg{err: errors.New("connection\nrefused")})
	if line := m.view()[1]; !strings.HasPrefix(line, "trying again: connection refused") {
		t.Errorf("without a server it says %q", line)
	}
	m.update(statusMsg{list: liveOnes(2)})
	if line := m.view()[1]; !strings.HasPrefix(line, "2 collectors  2 live   0.0 msg/s  0 gaps  cpu 0.0%") {
		t.Errorf("its totals are %q", line)
	}
	m.update(statusMsg{err: errors.New("gone")})
	if text := strings.Join(m.view(), "\n"); !strings.Contains(text, "what is shown is old, trying again: gone") || !strings.Contains(text, "S02USDT") {
		t.Errorf("when the server goes it says\n%s", text)
	}
	m.update(statusMsg{})
	if text := strings.Join(m.view(), "\n"); !strings.Contains(text, "Nothing is being collected") || strings.Contains(text, "gone") {
		t.Errorf("of nothing it says\n%s", text)
	}
}

// TestTopIsNeverWiderOrHigherThanItsScreen goes through all that can be shown, at all sizes, with the
// widest that can come.
func TestTopIsNeverWiderOrHigherThanItsScreen(t *testing.T) {
	t.Parallel()
	list := append(liveOnes(30), shown()...)
	for i := range list {
		list[i].ID = int64(i + 1)
	}
	list[1].Symbol, list[1].Phase = "币安人生USDT", "backfilling"
	list[2].Symbol = strings.Repeat("币安人生USDT,", 30)
	list[3].PID, list[3].ID, list[3].Uptime, list[3].Restarts = 4194304, 1234567, 1e9, 123456
	for width := 1; width <= 200; width += 1 + width/60 {
		for _, height := range []int{1, 8, 24} {
			for _, colours := range []bool{false, true} {
				m := &topModel{server: "http://" + strings.Repeat("long.", 50), colours: colours, closes: map[int64]*closes{}}
				m.update(sizeMsg{width, height})
				m.update(tickMsg(lookedAt))
				look := func(what string) {
					t.Helper()
					lines := m.view()
					if len(lines) != height {
						t.Fatalf("%s at %d x %d: %d lines", what, width, height, len(lines))
					}
					for _, line := range lines {
						if got := text.StringWidthWithoutEscSequences(line); got > width {
							t.Fatalf("%s at %d x %d: a line of %d cells: %q", what, width, height, got, line)
						}
						if !colours && strings.Contains(line, "\x1b") {
							t.Fatalf("%s at %d x %d: colours in %q", what, width, height, line)
						}
					}
				}
				look("before an answer")
				m.update(statusMsg{list: slices.Clone(list)})
				for _, c := range list[:3] {
					m.update(closesMsg{id: c.ID, values: make([]float64, sparkCandles)})
				}
				look("the table")
				for _, row := range []key{"j", "j", "j", "G"} {
					typed(m, row)
					look("another row")
				}
				typed(m, "s")
				look("a question")
				typed(m, "n", "l")
				m.update(logMsg{m.log.id, strings.Repeat("币ab", 300)})
				look("a log")
				typed(m, "/", "币", "币")
				look("a filter")
				typed(m, keyEscape, "?")
				look("the help")
				typed(m, "?")
				m.update(doneMsg{says: strings.Repeat("币 ", 200)})
				look("a notice")
				m.update(statusMsg{err: errors.New(strings.Repeat("币", 300))})
				look("trouble")
			}
		}
	}
}

func TestTopSaysWhyACollectorWaits(t *testing.T) {
	t.Parallel()
	m := topOf(0, 120, 12)
	m.update(statusMsg{list: shown()})
	typed(m, "j", "j")
	if line := m.view()[10]; strings.TrimSpace(line) != "9 XRPUSDT 1m: is tried again in 12s; its process ended with exit code 1: the bus cannot [2Jbe reached" {
		t.Errorf("it says %q", line)
	}
	m.update(tickMsg(lookedAt.Add(9 * time.Second)))
	if line := m.view()[10]; !strings.Contains(line, "in 3s") {
		t.Errorf("nine seconds later it says %q", line)
	}
}

func TestSparklineRisesWithWhatItDraws(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 10, ""},
		{[]float64{5}, 10, "▅"},
		{[]float64{7, 7, 7}, 10, "▅▅▅"},
		{[]float64{0, 1, 2, 3, 4, 5, 6, 7}, 10, "▁▂▃▄▅▆▇█"},
		{[]float64{9, 9, 0, 7}, 2, "▁█"},
		{[]float64{-1e308, 0, 1e308}, 10, "▁▅█"},
		{[]float64{1e-9, 2e-9}, 10, "▁█"},
	} {
		if got := sparkline(test.values, test.width); got != test.want {
			t.Errorf("%v in %d cells is %q, not %q", test.values, test.width, got, test.want)
		}
	}
}
