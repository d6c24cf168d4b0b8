// Package e2e tests velador from outside: the real binary, real processes, real databases, a
// simulated exchange behind a real socket.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"velador/internal/store/postgres/pgtest"
)

// binary is the program under test, built once; with the race detector where the tests have it.
var binary string

func TestMain(m *testing.M) {
	actAsAnother()
	dir, err := os.MkdirTemp("", "velador-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "velador")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "velador/cmd/velador")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the program under test cannot be built: %v\n%s", err, out)
		os.Exit(1)
	}
	flag.Parse()
	// Most of these tests wait for other processes and for a market to go by: more of them at once than
	// there are cores take half the time. With the race detector they are more at work.
	if more := flag.Lookup("test.parallel"); more.Value.String() == more.DefValue {
		cores := runtime.GOMAXPROCS(0)
		atOnce := 2 * cores
		if raceEnabled {
			atOnce = cores + 1
		}
		_ = more.Value.Set(strconv.Itoa(atOnce)) // it is a number
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	pgtest.Exit(code)
}

// environ is what the program under test sees: nothing of ours but what it needs.
func environ(extra ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TMPDIR=" + os.TempDir()}, extra...)
}

// program is a running velador.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	inner  int           // PID of velador where cmd is a program that runs it; else 0
	ended  chan struct{} // closed when it has ended
	url    string        // the first address that it printed
	output *output
}

// output gathers what a program prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// run starts velador and waits until it prints a line that contains "http" and ends with an address,
// or ends. It is stopped with the test.
func run(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	return runBinary(t, binary, env, args...)
}

// runBinary runs velador from a file of its own, or through a program that runs it.
func runBinary(t *testing.T, path string, env []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, ended: make(chan struct{}), output: &output{}}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = env
	p.cmd.Dir = t.TempDir()
	p.cmd.Stderr = p.output
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("velador %s said:\n%s", strings.Join(args, " "), p.output)
		}
	})
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			_, _ = fmt.Fprintln(p.output, lines.Text())
			if _, rest, ok := strings.Cut(lines.Text(), "http"); ok {
				found, _, _ := strings.Cut("http"+rest, " ")
				select {
				case address <- strings.TrimRight(found, ";."):
				default:
				}
			}
		}
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	select {
	case p.url = <-address:
	case <-p.ended:
		t.Fatalf("velador %s ended: %s\n%s", strings.Join(args, " "), p.cmd.ProcessState, p.output)
	case <-time.After(slack * 60 * time.Second):
		t.Fatalf("velador %s says no address:\n%s", strings.Join(args, " "), p.output)
	}
	return p
}

// stop ends the program gracefully, and by force when it takes too long, which fails the test.
func (p *program) stop() {
	p.t.Helper()
	pid := p.cmd.Process.Pid
	if p.inner != 0 {
		pid = p.inner
	}
	select {
	case <-p.ended:
		return
	default:
		_ = syscall.Kill(pid, syscall.SIGTERM) // not reaped before ended is closed, so it is ours
	}
	select {
	case <-p.ended:
	case <-time.After(slack * 40 * time.Second):
		p.t.Errorf("velador does not end:\n%s", p.output)
		_ = syscall.Kill(pid, syscall.SIGKILL)
		<-p.ended
	}
}

// simulator starts a simulated exchange and gives its address and the variables that point to it.
func simulator(t *testing.T, args ...string) (*program, []string) {
	t.Helper()
	p := run(t, environ(), append([]string{"simulate", "--port", "0"}, args...)...)
	return p, []string{"VELADOR_BINANCE_REST_URL=" + p.url, "VELADOR_BINANCE_WS_URL=" + strings.Replace(p.url, "http", "ws", 1)}
}

// serve starts a server in a data directory of its own.
func serve(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	return run(t, environ(append(env, "VELADOR_DATA_DIR="+filepath.Join(t.TempDir(), "data"))...), append([]string{"serve", "--port", "0"}, args...)...)
}

// onBothDatabases runs a test once for each database; env names it.
func onBothDatabases(t *testing.T, test func(t *testing.T, env []string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, nil)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, []string{"DATABASE_URL=" + pgtest.Database(t)})
	})
}

// call makes a request and gives status, headers and body.
func call(t *testing.T, method, url, body string, header ...string) (int, http.Header, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), slack*60*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, text
}

// object decodes a JSON object.
func object(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

// start starts a collector and gives its PID.
func start(t *testing.T, server *program, body string) int {
	t.Helper()
	status, _, text := call(t, "POST", server.url+"/api/collectors/start", body)
	if status != http.StatusOK {
		t.Fatalf("start %s: %d %s", body, status, text)
	}
	return int(object(t, text)["pid"].(float64))
}

// alive tells whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// slack is by how much a loaded machine, or one with the race detector, may be slower than the limits of
// these tests were meant for. It costs nothing but where something is wrong.
const slack = 3

// eventually waits until something is true.
func eventually(t *testing.T, what string, limit time.Duration, is func() bool) {
	t.Helper()
	limit *= slack
	deadline := time.Now().Add(limit)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at another process
	}
}

// velador runs a command to its end.
func velador(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), slack*60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.Dir = environ(env...), t.TempDir()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), problems.String(), cmd.ProcessState.ExitCode()
}
