package cli

import (
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

// TestTopIsAWholeSessionInATerminal looks, follows a log, stops, filters, resizes, and leaves.
func TestTopIsAWholeSessionInATerminal(t *testing.T) {
	t.Parallel()
	keyboard, screen := terminal(t)
	d, over := showing(t, keyboard, 100, 20)
	before, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	fleet := servertest.NewFleet(time.Now, "ETHUSDT", "BTCUSDT")
	for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
		if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: symbol, Timeframe: candle.Minute1}); err != nil {
			t.Fatal(err)
		}
	}
	logs := servertest.NewLogs()
	logs.Write(1, "collecting ETHUSDT")
	h := httptest.NewServer(server.New(server.Config{Fleet: fleet, Candles: servertest.Minutes("ETHUSDT", 0, 200), Logs: logs}).Handler())
	t.Cleanup(h.Close)

	ended := make(chan int, 1)
	go func() {
		ended <- Main([]string{"top", "--server", h.URL, "--every", "100ms", "--env-file", os.DevNull}, []string{"LANG=en_US.UTF-8", "TERM=xterm"}, screen, screen, screen)
	}()
	press := func(keys string) {
		t.Helper()
		if _, err := keyboard.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	lines := d.shows(t, `^> 1 +12345 +ETHUSDT +1m .*▁▁?▂.*▇██?$`) // of two hundred closes the newest, which rise
	if title := lines[0]; !strings.HasPrefix(title, "velador top  "+h.URL) || !strings.HasSuffix(title, " UTC") || len(title) != 100 {
		t.Errorf("the first line is %q", title)
	}
	if !strings.HasPrefix(lines[1], "2 collectors  2 starting") || !strings.Contains(lines[19], "q quit") {
		t.Errorf("the screen is\n%s", strings.Join(lines, "\n"))
	}
	press("l")
	d.shows(t, `^── log of id 1 ETHUSDT 1m ──`)
	d.shows(t, `^collecting ETHUSDT$`)
	logs.Write(1, "a candle \x1b[2Jcame")
	d.shows(t, `^a candle \[2Jcame$`)
	press("\x1b[B") // down
	d.shows(t, `^> 2 +12346 +BTCUSDT`)
	press("s")
	d.shows(t, `^Stop BTCUSDT 1m \(PID 12346\)\? y/n$`)
	press("y")
	d.shows(t, `^Collector stopped successfully$`)
	d.await(t, "the list without it", func(lines []string) bool {
		return strings.HasPrefix(lines[1], "1 collectors") && !slices.ContainsFunc(lines[2:], func(l string) bool { return strings.Contains(l, "BTCUSDT") })
	})
	if n := running(t, fleet); n != 1 {
		t.Errorf("%d run", n)
	}
	press("\x1b") // the log goes
	d.await(t, "the log's end", func(lines []string) bool {
		return !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "── log") })
	})
	press("/nothing\r")
	d.shows(t, `nothing contains "nothing"`)
	press("\x1b")
	d.shows(t, `^> 1 +12345`)
	press("q")
	select {
	case code := <-ended:
		if code != ExitOK {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(40 * time.Second):
		t.Fatal("q does not end it")
	}
	after, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is left as %+v, and was %+v (%v)", after, before, err)
	}
	if err := screen.Close(); err != nil {
		t.Error(err)
	}
	<-over
	if unknown := d.unknown; len(unknown) > 0 {
		t.Errorf("it says to the terminal %q", unknown)
	}
	if d.other || !d.cursor || !d.wraps || !strings.HasSuffix(d.all.String(), leaveScreen) {
		t.Errorf("at the end it says %q", d.all.String()[max(0, d.all.Len()-80):])
	}
	if n := running(t, fleet); n != 1 {
		t.Errorf("%d run at the end: it took one with it", n)
	}
}

func TestTopGivesTheTerminalBackWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	_, url := twoCollectors(t)
	for _, colours := range []string{"TERM=xterm", "NO_COLOR=1"} {
		keyboard, screen := terminal(t)
		d, over := showing(t, keyboard, 60, 12)
		ended := make(chan int, 1)
		go func() {
			ended <- Main([]string{"top", "--server", url, "--env-file", os.DevNull}, []string{"LANG=en_US.UTF-8", colours}, screen, screen, screen)
		}()
		d.shows(t, `^> 1 +12345`)
		if _, err := keyboard.WriteString("\x03"); err != nil { // Ctrl-C
			t.Fatal(err)
		}
		select {
		case code := <-ended:
			if code != ExitOK {
				t.Errorf("exit code %d", code)
			}
		case <-time.After(40 * time.Second):
			t.Fatal("Ctrl-C does not end it")
		}
		screen.Close()
		<-over
		if d.other || !d.cursor || !d.wraps {
			t.Errorf("the terminal is left in another state: %+v", d)
		}
		if painted := strings.Contains(d.all.String(), "\x1b[1m"); painted != (colours == "TERM=xterm") {
			t.Errorf("with %s colours are %v", colours, painted)
		}
	}
}

func TestTopRefusesWhatItCannotPaintOn(t *testing.T) {
	t.Parallel()
	_, screen := terminal(t)
	for _, test := range []struct {
		name    string
		program *program
		args    []string
		says    string
	}{
		{"pipes", &program{stdin: strings.NewReader(""), stdout: &strings.Builder{}}, nil, "velador status --watch"},
		{"a terminal that is dumb", &program{env: environment{process: []string{"TERM=dumb"}}, stdin: screen, stdout: screen}, nil, "velador status --watch"},
		{"a screen without a keyboard", &program{stdin: strings.NewReader(""), stdout: screen}, nil, "velador status --watch"},
		{"too often", &program{stdin: screen, stdout: screen}, []string{"--every", "1ms"}, "at least 100ms"},
	} {
		test.program.stderr = test.program.stdout
		root := test.program.root()
		root.SetArgs(append([]string{"top", "--env-file", os.DevNull, "--server", "http://127.0.0.1:1"}, test.args...))
		if err := root.ExecuteContext(t.Context()); exitCode(err) != ExitUsage || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestWhatIsPaintedStandsToTheLastCell: on a screen as narrow as its lines, and again when it has changed.
func TestWhatIsPaintedStandsToTheLastCell(t *testing.T) {
	t.Parallel()
	keyboard, out := terminal(t)
	d, over := showing(t, keyboard, 5, 3)
	s := &screen{in: out, out: out}
	if err := s.paint([]string{"abcde", "\x1b[7m币币e\x1b[0m", "x"}); err != nil {
		t.Fatal(err)
	}
	d.await(t, "all of each line", func(lines []string) bool { return slices.Equal(lines, []string{"abcde", "币币e", "x"}) })
	if err := s.paint([]string{"abcd", "币币f", "x"}); err != nil {
		t.Fatal(err)
	}
	d.await(t, "what has changed", func(lines []string) bool { return slices.Equal(lines, []string{"abcd", "币币f", "x"}) })
	out.Close()
	<-over
}
