package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"velador/internal/collector"
)

// site is one installation, on which one server runs after the other: a data directory, a database
// and a simulated exchange.
type site struct {
	t        *testing.T
	env      []string
	dir      string
	exchange *program
}

// newSite makes one beside an exchange of its own; env names its database. What is left of its
// collectors at the end of the test is killed, and counts as a failure.
func newSite(t *testing.T, env []string, simulate ...string) *site {
	t.Helper()
	exchange, urls := simulator(t, append([]string{"--speed", "120"}, simulate...)...)
	return newSiteOn(t, exchange, append(env, urls...))
}

// newSiteOn makes one on an exchange that is there.
func newSiteOn(t *testing.T, exchange *program, env []string) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "data"), exchange: exchange}
	s.env = append(slices.Clone(env), "VELADOR_DATA_DIR="+s.dir)
	t.Cleanup(func() {
		for pid, words := range s.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it is ours, and was listed a moment ago
			t.Errorf("PID %d (%s) is left behind", pid, words)
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(s.dir, "collectors", "*.log"))
			for _, path := range logs {
				text, _ := os.ReadFile(path)
				if len(text) > 0 {
					t.Logf("%s:\n%s", filepath.Base(path), text[max(0, len(text)-4000):])
				}
			}
		}
	})
	return s
}

// serve starts a server on the site.
func (s *site) serve(env []string, args ...string) *program {
	s.t.Helper()
	return run(s.t, environ(append(slices.Clone(s.env), env...)...), append([]string{"serve", "--port", "0"}, args...)...)
}

// kill ends a server with kill -9.
func (s *site) kill(server *program) {
	s.t.Helper()
	if err := server.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-server.ended
}

// processes lists the site's collectors that run, by PID, with selector and timeframe: those whose
// environment names a log in the site's directory. It sees the processes of other PID namespaces too.
func (s *site) processes() map[int]string {
	found := make(map[int]string)
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !alive(pid) {
			continue
		}
		environ, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ")) // it may have ended
		if !strings.Contains("\x00"+string(environ), "\x00VELADOR_LOG_PATH="+s.dir+"/") {
			continue
		}
		args, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		words := strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
		found[pid] = strings.Join(words[max(0, len(words)-2):], " ")
	}
	return found
}

// copies counts the processes of a collector.
func (s *site) copies(words string) int {
	n := 0
	for _, is := range s.processes() {
		if is == words {
			n++
		}
	}
	return n
}

// listed gives the PIDs of a status call.
func listed(t *testing.T, server *program) []int {
	t.Helper()
	_, _, text := call(t, "GET", server.url+"/api/collectors/status", "")
	var pids []int
	for _, c := range object(t, text)["collectors"].([]any) {
		pids = append(pids, int(c.(map[string]any)["pid"].(float64)))
	}
	slices.Sort(pids)
	return pids
}

// agrees waits until the server lists exactly the collectors that run, so many of them, and no series
// has two. What is left of others has some seconds to end.
func (s *site) agrees(server *program, want int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%d collectors run, each once, and are listed", want), 40*time.Second, func() bool {
		pids := listed(s.t, server)
		var real []int
		series := make(map[string]bool)
		for pid, words := range s.processes() {
			real = append(real, pid)
			series[words] = true
		}
		slices.Sort(real)
		return len(real) == want && len(series) == want && slices.Equal(pids, real)
	})
}

// attended waits until the server's agent hears what the collector with this ID says. From then on it
// takes commands; a stop before that goes by way of the database, where it has other steps.
func (s *site) attended(server *program, id int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("collector %d is heard", id), 40*time.Second, func() bool {
		status, _, text := call(s.t, "GET", fmt.Sprintf("%s/api/collectors/%d", server.url, id), "")
		if status != 200 {
			return false
		}
		phase := object(s.t, text)["phase"]
		return phase == string(collector.PhaseBackfilling) || phase == string(collector.PhaseLive)
	})
}

// collected gives what GET /api/coverage says of a 1m series; what the exchange has no candles for is
// not expected of it.
func collected(t *testing.T, server *program, symbol string) (present, expected float64, last int64) {
	t.Helper()
	status, _, text := call(t, "GET", fmt.Sprintf("%s/api/coverage?symbol=%s&timeframe=1m", server.url, symbol), "")
	if status != 200 {
		t.Fatalf("the coverage of %s: %d %s", symbol, status, text)
	}
	c := object(t, text)
	newest, _ := c["last"].(float64)
	expected = c["expected"].(float64)
	for _, gap := range c["gaps"].([]any) {
		if gap := gap.(map[string]any); gap["state"] == "absent" {
			expected -= gap["missing"].(float64)
		}
	}
	return c["present"].(float64), expected, int64(newest)
}

// whole waits until a 1m series has at least so many candles and no hole, and compares them with what
// the exchange serves, digit for digit.
func (s *site) whole(server *program, symbol string, atLeast int) {
	s.t.Helper()
	var last int64
	eventually(s.t, symbol+" is whole", 90*time.Second, func() bool {
		present, expected, newest := collected(s.t, server, symbol)
		last = newest
		return present >= float64(atLeast) && present == expected
	})
	_, _, stored := call(s.t, "GET", fmt.Sprintf("%s/api/candles?symbol=%s&timeframe=1m&format=csv&to=%d", server.url, symbol, last), "")
	_, rows, _ := strings.Cut(string(stored), "\n")
	first, _, _ := strings.Cut(rows, ",")
	from, _ := strconv.ParseInt(first, 10, 64)
	ask := func(url string) []byte {
		_, _, served := call(s.t, "GET", url, "")
		return served
	}
	if want := servedRows(s.t, ask, s.exchange.url, symbol, from, last); rows != want {
		s.t.Errorf("%s: %s", symbol, firstDifference(want, rows))
	}
}

// servedRows gives what an exchange serves of a 1m series, as rows of CSV.
func servedRows(t *testing.T, ask func(url string) []byte, exchange, symbol string, from, to int64) (rows string) {
	t.Helper()
	for ; from <= to; from += 1000 * 60_000 {
		end := min(to, from+999*60_000)
		served := ask(fmt.Sprintf("%s/api/v3/klines?symbol=%s&interval=1m&startTime=%d&endTime=%d&limit=1000", exchange, symbol, from, end))
		_, page, _ := strings.Cut(klinesAsCSV(t, served), "\n")
		rows += page
	}
	return rows
}

// ports counts those that were given away; a test that runs beside another one gets another one.
var ports atomic.Int32

// freePort gives a port that is free, below those that the system gives to whoever asks for any.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + (os.Getpid()+int(ports.Add(1)))%10000)
		ln, err := net.Listen("tcp", ":"+port)
		if err != nil {
			continue // taken
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return ""
}
