package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"velador/internal/store/postgres/pgtest"
)

// envInit makes the test binary the first process of a PID namespace: it reaps what is left to it.
const envInit = "VELADOR_E2E_INIT"

// reap is the work of a first process; it ends with the namespace's test.
func reap() {
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil {
			time.Sleep(20 * time.Millisecond) // no child at this moment
		}
	}
}

// namespace is a PID namespace with a /proc of its own.
type namespace struct {
	t    *testing.T
	init int // its first process, as we see it
}

// newNamespace makes one, which ends with the test, and all in it.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "PID namespaces are made by root only")
	}
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", os.Args[0])
	cmd.Env = environ(envInit + "=1")
	if err := cmd.Start(); err != nil {
		skip(t, "no PID namespace: "+err.Error())
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	n := &namespace{t: t}
	eventually(t, "the namespace has a first process", 10*time.Second, func() bool {
		n.init = childOf(cmd.Process.Pid)
		return n.init != 0 && insideOf(n.init) == 1
	})
	return n
}

// skip skips a test, unless the skips are forbidden.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI_REQUIRE") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// childOf gives a child of a process; 0 when it has none.
func childOf(parent int) int {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat")) // it may have ended
		if _, rest, ok := bytes.Cut(stat, []byte(") ")); ok {
			if fields := bytes.Fields(rest); len(fields) > 1 && string(fields[1]) == strconv.Itoa(parent) {
				return pid
			}
		}
	}
	return 0
}

// insideOf gives the PID that a process has in its own namespace.
func insideOf(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may have ended
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "NSpid:" {
			inside, _ := strconv.Atoi(fields[len(fields)-1])
			return inside
		}
	}
	return 0
}

// serve runs a server of a site in the namespace.
func (n *namespace) serve(s *site, args ...string) *program {
	n.t.Helper()
	enter := []string{"--target", strconv.Itoa(n.init), "--pid", "--mount", "--", binary, "serve", "--port", "0"}
	p := runBinary(n.t, "nsenter", environ(s.env...), append(enter, args...)...)
	p.inner = childOf(p.cmd.Process.Pid)
	return p
}

// run runs a shell's words in the namespace.
func (n *namespace) run(words string) string {
	n.t.Helper()
	out, err := exec.Command("nsenter", "--target", strconv.Itoa(n.init), "--pid", "--mount", "--", "sh", "-c", words).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}

// lastPID has the namespace give the next process the PID behind this one.
func (n *namespace) lastPID(pid int) {
	n.run(fmt.Sprintf("echo %d > /proc/sys/kernel/ns_last_pid", pid))
}

// TestStopOfARecycledPIDLeavesTheStrangerAlive gives the PID of a registered, dead collector to a
// stranger. Neither the next server's beginning nor a stop by that PID touches it.
func TestStopOfARecycledPIDLeavesTheStrangerAlive(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	s := newSite(t, nil)
	server := n.serve(s)
	pid := start(t, server, ethBody)
	var outside int
	for found := range s.processes() {
		outside = found
	}
	if insideOf(outside) != pid {
		t.Fatalf("PID %d is %d in the namespace, and the server says %d", outside, insideOf(outside), pid)
	}
	killPID(t, server.inner)
	<-server.ended
	killPID(t, outside)
	eventually(t, "the collector's PID is free", 10*time.Second, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", outside))
		return err != nil
	})
	stranger := ""
	for try := 0; stranger != strconv.Itoa(pid); try++ {
		if try == 20 {
			t.Fatalf("the stranger never got PID %d", pid)
		}
		stranger = n.run(fmt.Sprintf("echo %d > /proc/sys/kernel/ns_last_pid; sleep 300 >/dev/null 2>&1 & echo $!", pid-1))
	}
	lives := func() bool { return n.run("cat /proc/"+stranger+"/comm") == "sleep" }
	server = n.serve(s)
	eventually(t, "the collector is resumed under another PID", 30*time.Second, func() bool {
		now := pidOf(t, server, "ETHUSDT", "1m")
		return now != 0 && now != pid
	})
	if !lives() {
		t.Fatal("the stranger died at the server's beginning")
	}
	status, _, text := call(t, "POST", server.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid))
	if status != 404 || object(t, text)["error"] != "Collector no encontrado o ya detenido" {
		t.Errorf("stop of the stranger's PID: %d %s", status, text)
	}
	if !lives() {
		t.Error("the stranger was killed")
	}
	if status, _, text := call(t, "POST", server.url+"/api/collectors/stop", `{"id":1}`); status != 200 {
		t.Errorf("stop: %d %s", status, text)
	}
	if !lives() {
		t.Error("the stranger was killed with the collector")
	}
}

// TestEqualPIDsInTwoNamespacesAreToldApart runs two servers on one database, each in a PID namespace
// of its own, with collectors of the same PID.
func TestEqualPIDsInTwoNamespacesAreToldApart(t *testing.T) {
	t.Parallel()
	here, there := newNamespace(t), newNamespace(t)
	database := "DATABASE_URL=" + pgtest.Database(t)
	mine := newSite(t, []string{database})
	theirs := newSiteOn(t, mine.exchange, append(mine.env[:len(mine.env)-1:len(mine.env)-1], database))
	a, b := here.serve(mine), there.serve(theirs)
	here.lastPID(5000) // far above the threads of either server, which have numbers too
	pid := start(t, a, ethBody)
	for try := 0; ; try++ {
		if try == 30 {
			t.Fatalf("the other namespace never gave PID %d", pid)
		}
		there.lastPID(pid - 1 - try%3) // a thread that begins meanwhile takes a number too
		other := start(t, b, `{"timeframe":"1m","symbol":"BTCUSDT"}`)
		if other == pid {
			break
		}
		call(t, "POST", b.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, other))
	}
	if status, _, text := call(t, "POST", b.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid)); status != 200 {
		t.Errorf("stop: %d %s", status, text)
	}
	if mine.copies("ETHUSDT 1m") != 1 || theirs.copies("BTCUSDT 1m") != 0 {
		t.Errorf("a stop of PID %d in the one namespace left %v there and %v here", pid, theirs.processes(), mine.processes())
	}
	if now := pidOf(t, a, "ETHUSDT", "1m"); now != pid {
		t.Errorf("PID %d became %d", pid, now)
	}
	// By its PID there is nothing left to stop for the other server: this one is not its own to signal.
	if status, _, text := call(t, "POST", a.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid)); status != 200 {
		t.Errorf("stop: %d %s", status, text)
	}
	if mine.copies("ETHUSDT 1m") != 0 {
		t.Error("it runs on")
	}
}

// TestServerAsTheFirstProcessReapsWhatIsLeftToIt runs velador as PID 1, as a container does.
func TestServerAsTheFirstProcessReapsWhatIsLeftToIt(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		skip(t, "PID namespaces are made by root only")
	}
	s := newSite(t, nil)
	p := runBinary(t, "unshare", environ(s.env...), "--pid", "--fork", "--kill-child", "--mount-proc", binary, "serve", "--port", "0")
	p.inner = childOf(p.cmd.Process.Pid)
	pid := start(t, p, ethBody)
	// A stranger whose parent ends is left to the first process.
	out, err := exec.Command("nsenter", "--target", strconv.Itoa(p.inner), "--pid", "--mount", "--", "sh", "-c", "sleep 0.3 >/dev/null 2>&1 & echo $!").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	orphan := strings.TrimSpace(string(out))
	eventually(t, "the orphan is reaped", 20*time.Second, func() bool {
		out, _ := exec.Command("nsenter", "--target", strconv.Itoa(p.inner), "--pid", "--mount", "--", "sh", "-c", "test -e /proc/"+orphan+" || echo gone").Output()
		return strings.TrimSpace(string(out)) == "gone"
	})
	for outside := range s.processes() {
		killPID(t, outside)
	}
	eventually(t, "a killed collector is replaced, and its exit was seen", 20*time.Second, func() bool {
		_, _, text := call(t, "GET", p.url+"/api/collectors/1", "")
		c := object(t, text)
		exit, _ := c["lastExit"].(map[string]any)
		return c["status"] == "running" && c["pid"] != float64(pid) && exit["signal"] == 9.0
	})
	p.stop()
	if left := s.processes(); len(left) != 0 {
		t.Errorf("a graceful stop left %v", left)
	}
}
