package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/proc"
	"velador/internal/store/sqlite"
)

// stubOfNow is a collector that talks as those of this release do.
func stubOfNow(mode string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(6)
		}
	}
	run := os.Getenv(proc.EnvRunID)
	say := func(reason string, retry time.Time) {
		fd, err := strconv.Atoi(os.Getenv(proc.EnvLockFD))
		fail(err)
		fail(proc.SayFarewell(fd, proc.Farewell{RunID: run, Reason: reason, RetryAt: retry}))
	}
	switch mode {
	case "BANNED":
		say("the exchange has banned this address", time.Now().Add(time.Hour))
		os.Exit(exitTempFail)
	case "FAREWELL":
		say("no agent has been heard for 15m0s", time.Time{})
		fmt.Println("a line that matters less")
		os.Exit(0)
	case "PANICS":
		panic("a series without a symbol")
	case "ENDLESS":
		line := make([]byte, 1<<10)
		for i := range line {
			line[i] = 'x'
		}
		line[len(line)-1] = '\n'
		for {
			if _, err := os.Stdout.Write(line); err != nil {
				os.Exit(4)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	dir := os.Getenv("SUPERVISE_TEST_DIR")
	conn, err := bus.Connect(context.Background(), bus.ClientConfig{File: filepath.Join(dir, "bus", bus.FileName), Name: "stub"})
	fail(err)
	begun := time.Now()
	for i := uint64(1); ; i++ {
		// An exchange whose clock runs a thousand times as fast as ours.
		beat := collector.Beat{
			RunID: run, Sent: time.Now(), Phase: collector.PhaseLive, Series: 1, LiveNow: 1, Connected: 1,
			Clock: candle.Millis(1000 * time.Since(begun).Milliseconds()), Messages: i,
		}
		if mode == "BEATING" {
			beat.Candles, beat.Progress, beat.LastOpen, beat.LastClose = i, beat.Clock, beat.Clock, beat.Clock
		}
		fail(conn.PublishBeat(siteName(dir), beat))
		time.Sleep(20 * time.Millisecond)
	}
}

// siteName is the name of a site's agent.
func siteName(dir string) string { return "this-host:" + dir }

// process runs a mode of the test binary until end is called, with -9.
func process(t testing.TB, mode, dir string, env ...string) (end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append([]string{"SUPERVISE_TEST_COLLECTOR=" + mode, "SUPERVISE_TEST_DIR=" + dir}, env...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	t.Cleanup(end)
	return end
}

// serverProcess is an agent in a process of its own; with all, a bus and a fleet too, which starts a
// collector, and stops it when the step at which the process is to die is one of a stop.
func serverProcess(dir string, all bool) {
	if err := serve(dir, all, Step(os.Getenv("SUPERVISE_TEST_STEP"))); err != nil {
		fmt.Println(err)
		os.Exit(9)
	}
	os.Exit(0)
}

func serve(dir string, all bool, step Step) error {
	ctx := context.Background()
	if all {
		server, err := bus.StartServer(bus.ServerConfig{Dir: filepath.Join(dir, "bus"), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		defer server.Shutdown()
	}
	conn, err := bus.Connect(ctx, bus.ClientConfig{File: filepath.Join(dir, "bus", bus.FileName), Name: "server"})
	if err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "velador.db")})
	if err != nil {
		return err
	}
	s := &site{dir: dir, conn: conn, db: db, registry: &flaky{Registry: db}, rows: NewRows(db), log: slog.Default()}
	cfg := s.agentConfig()
	cfg.At = func(at Step) {
		if at == step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	agent := NewAgent(cfg)
	if !all {
		return agent.Run(ctx)
	}
	if err := conn.Provision(ctx); err != nil {
		return err
	}
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- agent.Run(ctx) }()
	fleet := NewFleet(FleetConfig{
		Rows: s.rows, Queue: conn, Catalogue: catalogue{}, Processes: proc.NewHost(nil), HostName: testHost, Local: agent, Versions: db,
	})
	go func() {
		row, err := fleet.Start(ctx, spec("QUIET"))
		if err == nil {
			_, err = fleet.Stop(ctx, collector.Ref{PID: row.PID})
		}
		failed <- fmt.Errorf("step %q was not reached: %w", step, err)
	}()
	return <-failed
}

// copies counts the processes of a site's collectors of a symbol, in the process table alone.
func (s *site) copies(selector string) (pids []int) {
	s.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		environ, err := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if err != nil {
			continue // gone, or a zombie
		}
		vars := strings.Split(string(environ), "\x00")
		if slices.Contains(vars, "SUPERVISE_TEST_COLLECTOR="+selector) && slices.Contains(vars, "SUPERVISE_TEST_DIR="+s.dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}
