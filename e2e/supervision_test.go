package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"velador/internal/store/postgres/pgtest"
	"velador/internal/supervise"
)

const ethBody = `{"timeframe":"1m","symbol":"ETHUSDT"}`

// TestKillOfCollectorServerAndBothLosesNothing kills with -9 what there is to kill, in turn.
func TestKillOfCollectorServerAndBothLosesNothing(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		s := newSite(t, env)
		server := s.serve(nil)
		start(t, server, ethBody)
		start(t, server, `{"timeframe":"1m","symbol":"BTCUSDT"}`)
		s.agrees(server, 2)

		first := pidOf(t, server, "ETHUSDT", "1m")
		killPID(t, first)
		eventually(t, "a killed collector is replaced", 20*time.Second, func() bool {
			pid := pidOf(t, server, "ETHUSDT", "1m")
			return pid != 0 && pid != first
		})
		s.agrees(server, 2)

		before := listed(t, server)
		s.kill(server)
		server = s.serve(nil)
		s.agrees(server, 2)
		if after := listed(t, server); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("a killed server's collectors %v became %v", before, after)
		}

		victims := listed(t, server)
		s.kill(server)
		for _, pid := range victims {
			killPID(t, pid)
		}
		server = s.serve(nil)
		s.agrees(server, 2)
		for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
			_, _, now := collected(t, server, symbol)
			eventually(t, "the market goes on", 30*time.Second, func() bool {
				_, _, last := collected(t, server, symbol)
				return last > now+5*60_000
			})
			s.whole(server, symbol, 10)
		}
	})
}

// killPID kills a process that this test has started, through its server.
func killPID(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestServerKilledAtEveryStepOfAStart kills the server with -9 at each step of a start. The next one
// has the collector once or not at all, as its registry says, and a start then gives exactly one.
func TestServerKilledAtEveryStepOfAStart(t *testing.T) {
	t.Parallel()
	for _, step := range []supervise.Step{supervise.BeforeIntent, supervise.BeforeFork, supervise.AfterFork, supervise.BeforeRecord, supervise.AfterRecord} {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			dying := s.serve([]string{"VELADOR_TEST_KILL_AT=" + string(step)})
			if answer, err := http.Post(dying.url+"/api/collectors/start", "application/json", strings.NewReader(ethBody)); err == nil {
				text, _ := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				t.Fatalf("a server that died has answered: %d %s", answer.StatusCode, text)
			}
			<-dying.ended
			server := s.serve(nil)
			status, _, text := call(t, "POST", server.url+"/api/collectors/start", ethBody)
			if status != 200 && status != 409 {
				t.Errorf("a start after the crash: %d %s", status, text)
			}
			s.agrees(server, 1)
			s.whole(server, "ETHUSDT", 3)
			if status, _, text := call(t, "POST", server.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pidOf(t, server, "ETHUSDT", "1m"))); status != 200 {
				t.Errorf("stop: %d %s", status, text)
			}
			s.agrees(server, 0)
		})
	}
}

// TestServerKilledAtEveryStepOfAStop kills the server with -9 at each step of a stop. A wish that had
// ended stays ended: the next server finishes the stop.
func TestServerKilledAtEveryStepOfAStop(t *testing.T) {
	t.Parallel()
	for _, step := range []supervise.Step{supervise.BeforeWish, supervise.BeforeSignal, supervise.AfterSignal} {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			server := s.serve(nil)
			pid := start(t, server, ethBody)
			s.kill(server)
			dying := s.serve([]string{"VELADOR_TEST_KILL_AT=" + string(step)})
			s.agrees(dying, 1)
			s.attended(dying, 1)
			if answer, err := http.Post(dying.url+"/api/collectors/stop", "application/json", strings.NewReader(fmt.Sprintf(`{"pid":%d}`, pid))); err == nil {
				_ = answer.Body.Close()
				t.Fatalf("a server that died has answered: %d", answer.StatusCode)
			}
			<-dying.ended
			server = s.serve(nil)
			if step == supervise.BeforeWish { // nothing had happened yet
				s.agrees(server, 1)
				if now := pidOf(t, server, "ETHUSDT", "1m"); now != pid {
					t.Errorf("PID %d became %d", pid, now)
				}
				call(t, "POST", server.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid))
			}
			s.agrees(server, 0)
			// The process may have ended a moment before that is written down.
			eventually(t, "the record is that of a stopped one", 10*time.Second, func() bool {
				_, _, text := call(t, "GET", server.url+"/api/collectors/1", "")
				return object(t, text)["status"] == "stopped"
			})
		})
	}
}

// TestServerKilledInTheMiddleOfAWriteLosesNoCandle kills the server again and again while it writes a
// back-fill and what the market brings.
func TestServerKilledInTheMiddleOfAWriteLosesNoCandle(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		s := newSite(t, env, "--speed", "600", "--from", "2026-03-02T10:00:00Z")
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		chance := rand.New(rand.NewPCG(seed, 0))
		server := s.serve(nil)
		symbols := []string{"ETHUSDT", "BTCUSDT", "SOLUSDT"}
		for _, symbol := range symbols {
			start(t, server, fmt.Sprintf(`{"timeframe":"1m","symbol":"%s","since":"2026-02-28T00:00:00Z"}`, symbol))
		}
		for range 5 {
			time.Sleep(time.Duration(chance.IntN(1500)) * time.Millisecond) // the moment is what is tested
			s.kill(server)
			server = s.serve(nil)
		}
		s.agrees(server, len(symbols))
		for _, symbol := range symbols {
			s.whole(server, symbol, 58*60)
		}
	})
}

// TestHundredStartsOfOneSeriesGiveOneCollector races a hundred starts over HTTP.
func TestHundredStartsOfOneSeriesGiveOneCollector(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		s := newSite(t, env)
		server := s.serve(nil)
		var (
			mu      sync.Mutex
			answers = make(map[int]int)
			racing  sync.WaitGroup
		)
		for range 100 {
			racing.Go(func() {
				status, _, _ := call(t, "POST", server.url+"/api/collectors/start", ethBody)
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
			})
		}
		racing.Wait()
		if answers[200] != 1 || answers[409] != 99 {
			t.Errorf("a hundred starts were answered %v", answers)
		}
		s.agrees(server, 1)
	})
}

// TestOrphanEndsItself leaves a collector without a server for longer than it waits. The next server
// resumes it, and knows why the former life ended.
func TestOrphanEndsItself(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := s.serve(nil, "--orphan-after", "10s")
	pid := start(t, server, ethBody)
	time.Sleep(12 * time.Second) // longer than an orphan waits: with a server it is none
	s.agrees(server, 1)
	if now := pidOf(t, server, "ETHUSDT", "1m"); now != pid {
		t.Fatalf("with a server PID %d became %d", pid, now)
	}
	s.kill(server)
	eventually(t, "the orphan has ended", 40*time.Second, func() bool { return !alive(pid) })
	server = s.serve(nil)
	s.agrees(server, 1)
	s.whole(server, "ETHUSDT", 5)
	_, _, text := call(t, "GET", server.url+"/api/collectors/1/history", "")
	if !strings.Contains(string(text), "--orphan-after") {
		t.Errorf("the history does not say why the orphan ended: %s", text)
	}
}

// TestUpgradeInPlaceKeepsTheCollectors stops a server with --detach, replaces its binary, and starts
// the new one: the collectors run on under their PIDs, and later lives run the new binary.
func TestUpgradeInPlaceKeepsTheCollectors(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	installed := filepath.Join(t.TempDir(), "velador")
	install := func() {
		text, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(installed+".new", text, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(installed+".new", installed); err != nil {
			t.Fatal(err)
		}
	}
	install()
	serve := func(args ...string) *program {
		return runBinary(t, installed, environ(s.env...), append([]string{"serve", "--port", "0"}, args...)...)
	}
	server := serve("--detach")
	pid := start(t, server, ethBody)
	server.stop()
	if !alive(pid) {
		t.Fatal("the collector was stopped with a server that was to leave it running")
	}
	install()
	server = serve()
	s.agrees(server, 1)
	if now := pidOf(t, server, "ETHUSDT", "1m"); now != pid {
		t.Errorf("PID %d became %d", pid, now)
	}
	old, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if !strings.HasSuffix(old, "(deleted)") {
		t.Errorf("the collector runs %s, which was to be replaced", old)
	}
	killPID(t, pid)
	eventually(t, "it is replaced", 20*time.Second, func() bool { now := pidOf(t, server, "ETHUSDT", "1m"); return now != 0 && now != pid })
	s.agrees(server, 1)
	if now, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pidOf(t, server, "ETHUSDT", "1m"))); now != installed {
		t.Errorf("the new life runs %s", now)
	}
	s.whole(server, "ETHUSDT", 5)
}

// TestOrphansAreStoppedWhereThatIsAskedFor starts what is wanted anew instead of adopting it.
func TestOrphansAreStoppedWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := s.serve(nil)
	pid := start(t, server, ethBody)
	s.kill(server)
	server = s.serve(nil, "--orphans", "stop")
	eventually(t, "the orphan is gone", 30*time.Second, func() bool { return !alive(pid) })
	s.agrees(server, 1)
	s.whole(server, "ETHUSDT", 3)
}

// TestFrozenCollectorIsKilledAfterItsGrace stops a collector that takes no signal.
func TestFrozenCollectorIsKilledAfterItsGrace(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := s.serve(nil, "--grace", "1s")
	pid := start(t, server, ethBody)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if status, _, text := call(t, "POST", server.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid)); status != 200 {
		t.Errorf("stop: %d %s", status, text)
	}
	if alive(pid) {
		t.Error("it was called stopped while it lives")
	}
	s.agrees(server, 0)
}

// TestCollectorOfABinaryThatIsGoneIsAnErrorUntilItIsBack takes the program away under a server.
func TestCollectorOfABinaryThatIsGoneIsAnErrorUntilItIsBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	installed := filepath.Join(t.TempDir(), "velador")
	if err := os.Link(binary, installed); err != nil {
		t.Skipf("the program cannot be linked: %v", err)
	}
	server := runBinary(t, installed, environ(s.env...), "serve", "--port", "0")
	pid := start(t, server, ethBody)
	if err := os.Remove(installed); err != nil {
		t.Fatal(err)
	}
	killPID(t, pid)
	eventually(t, "it is an error in words, with the time of the next attempt", 20*time.Second, func() bool {
		_, _, text := call(t, "GET", server.url+"/api/collectors/1", "")
		c := object(t, text)
		reason, _ := c["lastError"].(string)
		return c["status"] == "error" && strings.Contains(reason, "no such file") && c["nextAttempt"] != nil
	})
	if err := os.Link(binary, installed); err != nil {
		t.Fatal(err)
	}
	s.agrees(server, 1)
}

// TestTwoServersOnOneDatabaseNeverCollectASeriesTwice lets two servers overlap, as some platforms do
// at each deployment: the second one leaves alone what the first one does, and takes it over when that
// has stopped, or is dead.
func TestTwoServersOnOneDatabaseNeverCollectASeriesTwice(t *testing.T) {
	t.Parallel()
	first := newSite(t, []string{"DATABASE_URL=" + pgtest.Database(t)})
	second := newSiteOn(t, first.exchange, first.env[:len(first.env)-1])
	twice := func() {
		t.Helper()
		if first.copies("ETHUSDT 1m")+second.copies("ETHUSDT 1m") > 1 {
			t.Fatalf("one series is collected twice: %v, %v", first.processes(), second.processes())
		}
	}
	old := first.serve(nil)
	pid := start(t, old, ethBody)
	young := second.serve(nil)
	if status, _, text := call(t, "POST", young.url+"/api/collectors/start", ethBody); status != 409 || object(t, text)["pid"] != float64(pid) {
		t.Errorf("a start of what the other server collects: %d %s", status, text)
	}
	for range 40 { // longer than it takes to review what is wanted
		twice()
		time.Sleep(100 * time.Millisecond)
	}
	old.stop()
	eventually(t, "the second server takes over", 20*time.Second, func() bool {
		twice()
		return second.copies("ETHUSDT 1m") == 1
	})
	second.agrees(young, 1)

	// The other way, without a goodbye: server and collector die together, as with a machine.
	old = first.serve(nil)
	for pid := range second.processes() {
		second.kill(young)
		killPID(t, pid)
	}
	eventually(t, "the first server takes over from a dead one when its lease has run out", 60*time.Second, func() bool {
		twice()
		return first.copies("ETHUSDT 1m") == 1
	})
	first.agrees(old, 1)
	first.whole(old, "ETHUSDT", 10)
}

// TestStopOfACollectorOfAnotherServer asks one server to stop what another one on the same database
// runs, on a bus of its own.
func TestStopOfACollectorOfAnotherServer(t *testing.T) {
	t.Parallel()
	first := newSite(t, []string{"DATABASE_URL=" + pgtest.Database(t)})
	second := newSiteOn(t, first.exchange, first.env[:len(first.env)-1])
	one, other := first.serve(nil), second.serve(nil)
	pid := start(t, one, ethBody)
	if status, _, text := call(t, "POST", other.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid)); status != 200 {
		t.Errorf("stop: %d %s", status, text)
	}
	if alive(pid) {
		t.Error("it was called stopped while it lives")
	}
	first.agrees(one, 0)
}
