package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/proc"
	"velador/internal/simulate"
	"velador/internal/store/postgres/pgtest"
)

// asVelador makes the test's binary velador.
const asVelador = "VELADOR_TEST_IS_VELADOR"

func TestMain(m *testing.M) {
	if os.Getenv(asVelador) != "" {
		os.Exit(Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	pgtest.Main(m)
}

// site is a bus and, where a test wants one, an exchange, for real processes of collectors.
type site struct {
	dir   string
	bus   *bus.Conn
	file  string // of the bus
	host  *proc.Host
	venue string // REST address of the exchange
	ws    string
	most  int64 // bytes that a collector may make a file; 0: no bound
}

func newSite(t *testing.T) *site {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &site{dir: t.TempDir(), host: proc.NewHost(log), venue: "http://127.0.0.1:1", ws: "ws://127.0.0.1:1"}
	server, err := bus.StartServer(bus.ServerConfig{Dir: filepath.Join(s.dir, "bus"), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	s.file = server.File()
	if s.bus, err = bus.Connect(bounded(t), bus.ClientConfig{File: s.file, Name: "test", Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.bus.Close)
	if err := s.bus.Provision(bounded(t)); err != nil {
		t.Fatal(err)
	}
	s.beside(t, func(ctx context.Context) error {
		return s.bus.ServeResume(ctx, func(_ context.Context, series []candle.Series) ([]candle.Resume, error) {
			return make([]candle.Resume, len(series)), nil
		})
	})
	return s
}

// bounded ends after a time that only a hanging test takes.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// beside runs something until the test ends.
func (s *site) beside(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// market gives the site a simulated exchange.
func (s *site) market(t *testing.T, speed float64) {
	t.Helper()
	sim, err := simulate.New(simulate.Options{Speed: speed, Seed: 1, Symbols: []string{"BTCUSDT"}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.venue, s.ws = addresses(ln, false)
	s.beside(t, func(ctx context.Context) error {
		return serveSimulator(ctx, sim, ln, nil, slog.New(slog.DiscardHandler))
	})
}

// spawned is a collector's process.
type spawned struct {
	*proc.Process
	site *site
	run  string
	log  string
	lock string
}

// spawn starts a collector as an agent does.
func (s *site) spawn(t *testing.T, run string, args ...string) *spawned {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &spawned{site: s, run: run, log: filepath.Join(s.dir, run+".log"), lock: filepath.Join(s.dir, run+".lock")}
	c.Process, err = s.host.Spawn(proc.Spec{
		Path: path, Args: append([]string{"collect", "--env-file", os.DevNull, "--bus-file", s.file}, args...),
		Env:     []string{asVelador + "=1", "HOME=" + s.dir, "VELADOR_BINANCE_REST_URL=" + s.venue, "VELADOR_BINANCE_WS_URL=" + s.ws, "VELADOR_LOG_LEVEL=debug"},
		LogPath: c.log, LockPath: c.lock, RunID: run, MaxFile: s.most,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if _, err := c.Stop(ctx, 0); err != nil {
			t.Errorf("a process is left: %v", err)
		}
		c.Close()
		if t.Failed() {
			text, _ := os.ReadFile(c.log)
			t.Logf("%s", text)
		}
	})
	return c
}

// dies waits for the end and checks the exit code and the last words, which must hold reason; with
// none it must have said nothing.
func (c *spawned) dies(t *testing.T, code int, reason string) {
	t.Helper()
	exit, err := c.Wait(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if !exit.Known || exit.Code != code || exit.Signal != 0 {
		t.Errorf("%s: %s, not code %d", c.run, exit, code)
	}
	words, said, err := proc.ReadFarewell(c.lock, c.run)
	if err != nil || said != (reason != "") || !strings.Contains(words.Reason, reason) || !words.RetryAt.IsZero() {
		t.Errorf("%s: last words %+v, %t, %v", c.run, words, said, err)
	}
}

// beats hears the beats to an agent until done says so.
func (s *site) beats(t *testing.T, agent string, done func(collector.Beat) bool) {
	t.Helper()
	ctx, enough := context.WithCancel(bounded(t))
	defer enough()
	over := false
	err := s.bus.Beats(ctx, agent, func(b collector.Beat) {
		if over = over || done(b); over {
			enough()
		}
	})
	if err != nil || !over {
		t.Fatalf("what was waited for never came: %v", err)
	}
}

func TestCollectorTellsItsAgentHowItIsUntilItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.market(t, 60)
	begun := time.Now()
	c := s.spawn(t, "run-1", "--agent", "me", "--since", fmt.Sprint(begun.Add(-time.Hour).UnixMilli()), "BTCUSDT", "1m")
	var last collector.Beat
	s.beats(t, "me", func(b collector.Beat) bool {
		last = b
		return b.Phase == collector.PhaseLive && b.Candles > 61 && b.Messages > 0
	})
	// The market runs at sixty times our pace.
	if last.RunID != "run-1" || last.Series != 1 || last.LiveNow != 1 || last.Connected != 1 || last.Sent.Before(begun) || last.Requests == 0 ||
		last.LastClose != last.LastOpen+59_999 || last.Clock < last.LastClose || last.Silent() > 10*time.Minute || !last.BannedUntil.IsZero() || last.Failures != 0 {
		t.Errorf("%+v", last)
	}
	candles := last.Candles
	asked := false
	s.beats(t, "me", func(b collector.Beat) bool {
		last = b
		if !asked { // a second signal would end it without grace
			asked = true
			if err := c.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
		return b.Phase == collector.PhaseStopping
	})
	c.dies(t, ExitOK, "")
	if last.Candles < candles {
		t.Errorf("the last beat is %+v", last)
	}
}

func TestCollectorThatNobodyLooksAfterEndsItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.market(t, 1)
	// One agent lives, the other one does not: each collector hears its own.
	s.beside(t, func(ctx context.Context) error {
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-again.C:
				if err := s.bus.PublishPulse("alive"); err != nil {
					return err
				}
			}
		}
	})
	begun := time.Now()
	kept := s.spawn(t, "kept", "--agent", "alive", "--orphan-after", "3s", "BTCUSDT", "1m")
	orphan := s.spawn(t, "orphan", "--agent", "dead", "--orphan-after", "2s", "BTCUSDT", "3m")
	orphan.dies(t, ExitOK, "has said nothing for 2s (--orphan-after): nobody looks after this collector")
	text, err := os.ReadFile(orphan.log)
	if err != nil || !strings.Contains(string(text), "nobody looks after this collector") {
		t.Errorf("its log does not say why, %v:\n%s", err, text)
	}
	// The other one has gone on for longer than its own bound.
	s.beats(t, "alive", func(b collector.Beat) bool { return b.Sent.Sub(begun) > 6*time.Second })
	if !kept.Runs() {
		t.Error("the collector of a living agent has ended")
	}
}

func TestWrongConfigurationIsSaidInTheLastWords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.market(t, 1)
	for run, c := range map[string]struct {
		args []string
		says string
	}{
		"timeframe": {[]string{"BTCUSDT", "7m"}, "no timeframe"},
		"selector":  {[]string{"[", "1m"}, "["},
		"symbol":    {[]string{"NOPE", "1m"}, "binance has no symbol NOPE"},
		"exchange":  {[]string{"--exchange", "nowhere", "BTCUSDT", "1m"}, "nowhere"},
		"since":     {[]string{"--since", "yesterday", "BTCUSDT", "1m"}, "--since"},
		"orphan":    {[]string{"--orphan-after", "-1s", "BTCUSDT", "1m"}, "--orphan-after"},
		"log-size":  {[]string{"--log-size", "0", "BTCUSDT", "1m"}, "--log-size"},
	} {
		process := s.spawn(t, run, append([]string{"--agent", "me"}, c.args...)...)
		process.dies(t, ExitConfig, c.says)
	}
}

func TestCollectorWaitsForTheEndOfABanAndTellsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var asked []time.Time
	asking := make(chan struct{}, 1)
	asking <- struct{}{}
	venue := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-asking
		asked = append(asked, time.Now())
		asking <- struct{}{}
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, `{"code":-1003,"msg":"Way too much request weight used; IP banned."}`)
	}))
	t.Cleanup(venue.Close)
	s.venue = venue.URL
	c := s.spawn(t, "banned", "--agent", "me", "BTCUSDT", "1m")
	beats := 0
	s.beats(t, "me", func(b collector.Beat) bool {
		if b.BannedUntil.IsZero() {
			return false
		}
		if left := b.BannedUntil.Sub(b.Sent); left < 50*time.Minute || left > time.Hour || b.Phase != collector.PhaseStarting || !b.Quiet || b.Silent() != 0 {
			t.Errorf("%s left: %+v", left, b)
		}
		beats++
		return beats == 2
	})
	<-asking
	if len(asked) != 1 {
		t.Errorf("the exchange that banned us was asked %d times", len(asked))
	}
	asking <- struct{}{}
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.dies(t, ExitOK, "")
}

func TestTraceOfTheRuntimeIsInTheNewestLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.market(t, 600)
	// A log of a few lines, so that it has been set aside when the process breaks.
	c := s.spawn(t, "broken", "--agent", "me", "--log-size", "200", "BTCUSDT", "1m")
	s.beats(t, "me", func(collector.Beat) bool {
		aside, err := filepath.Glob(c.log + ".*")
		return err == nil && len(aside) > 0
	})
	if err := c.Signal(syscall.SIGQUIT); err != nil { // the runtime prints what it prints at a panic
		t.Fatal(err)
	}
	c.dies(t, 2, "")
	text, err := os.ReadFile(c.log)
	if err != nil || !strings.Contains(string(text), "SIGQUIT") || !strings.Contains(string(text), "goroutine 1 ") || !strings.Contains(string(text), "collect.(*Collector).Run") {
		t.Errorf("%v:\n%.2000s", err, text)
	}
}

// TestCollectorThatWritesWithoutEndEndsItself: the runtime takes no notice of the kernel's signal.
func TestCollectorThatWritesWithoutEndEndsItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.market(t, 600)
	// A log that was left almost full, and is set aside far behind its bound.
	s.most = 8 << 10
	if err := os.WriteFile(filepath.Join(s.dir, "endless.log"), bytes.Repeat([]byte("x"), int(s.most)-100), 0o600); err != nil {
		t.Fatal(err)
	}
	c := s.spawn(t, "endless", "--agent", "me", "BTCUSDT", "1m")
	c.dies(t, 1, "it writes without end")
}

func TestCollectorStartedByHandWantsNoAgent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.StartProcess(path, []string{path, "collect", "--env-file", os.DevNull, "--agent", "me", "BTCUSDT", "1m"}, &os.ProcAttr{
		Env: []string{asVelador + "=1", "HOME=" + s.dir}, Files: []*os.File{nil, nil, nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	state, err := process.Wait()
	if err != nil || state.ExitCode() != ExitConfig {
		t.Errorf("%v, %v", state, err)
	}
}

func TestFlagsBetweenAgentAndCollectorAreNotInTheHelp(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if code := Main([]string{"collect", "--help"}, nil, strings.NewReader(""), &out, &out); code != ExitOK {
		t.Fatal(code)
	}
	for _, flag := range []string{"--agent", "--orphan-after", "--log-size"} {
		if strings.Contains(out.String(), flag) {
			t.Errorf("%s is shown", flag)
		}
	}
}
