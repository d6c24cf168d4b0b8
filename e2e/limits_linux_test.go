package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// envStub makes the test binary a collector that does nothing.
const envStub = "VELADOR_E2E_STUB"

// TestFewFilesMeanFewCollectors runs a server that may open 256 files: it says how many collectors
// that is, refuses one more in words, and goes on.
func TestFewFilesMeanFewCollectors(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{envStub + "=1", "VELADOR_TEST_COLLECTOR=" + os.Args[0] + " {symbol} {timeframe}"})
	p := runBinary(t, "prlimit", environ(s.env...), "--nofile=256:256", "--", binary, "serve", "--port", "0")
	_, _, text := call(t, "GET", s.exchange.url+"/api/v3/exchangeInfo", "")
	var symbols []string
	for _, symbol := range object(t, text)["symbols"].([]any) {
		symbols = append(symbols, symbol.(map[string]any)["symbol"].(string))
	}
	running, refusal := 0, ""
fill:
	for _, symbol := range symbols {
		for _, timeframe := range []string{"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"} {
			status, _, text := call(t, "POST", p.url+"/api/collectors/start", fmt.Sprintf(`{"timeframe":"%s","symbol":"%s"}`, timeframe, symbol), "Accept-Language", "en")
			if status != 200 {
				refusal = fmt.Sprintf("%d %s", status, text)
				break fill
			}
			running++
		}
	}
	if running < 30 || running > 256 || !strings.HasPrefix(refusal, "503 ") || !strings.Contains(refusal, "--max-collectors") {
		t.Errorf("%d collectors were started with 256 files; then: %s", running, refusal)
	}
	if !strings.Contains(p.output.String(), fmt.Sprint(running)) {
		t.Errorf("the log does not say that there may be %d", running)
	}
	s.agrees(p, running)
	pids := listed(t, p)
	if status, _, text := call(t, "POST", p.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pids[0])); status != 200 {
		t.Fatalf("stop: %d %s", status, text)
	}
	s.agrees(p, running-1)
	if status, _, text := call(t, "POST", p.url+"/api/collectors/start", fmt.Sprintf(`{"timeframe":"1m","symbol":"%s"}`, symbols[0])); status != 200 {
		t.Errorf("a start in the place of one that was stopped: %d %s", status, text)
	}
}

// tmpfs mounts a small file system that ends with the test.
func tmpfs(t *testing.T, megabytes int) (dir string, remount func(options string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "file systems are mounted by root only")
	}
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=700", megabytes), "velador-test", dir).CombinedOutput(); err != nil {
		skip(t, "no file system can be mounted: "+string(out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return dir, func(options string) {
		if out, err := exec.Command("mount", "-o", "remount,"+options, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// TestFullDiskIsSaidAndSurvived fills the disk under a running server and frees it again.
func TestFullDiskIsSaidAndSurvived(t *testing.T) {
	t.Parallel()
	dir, _ := tmpfs(t, 96)
	s := newSite(t, nil)
	s.dir = filepath.Join(dir, "data")
	s.env[len(s.env)-1] = "VELADOR_DATA_DIR=" + s.dir
	server := s.serve(nil)
	pid := start(t, server, ethBody)
	s.whole(server, "ETHUSDT", 2)
	ballast := filepath.Join(dir, "ballast")
	file, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for block := bytes.Repeat([]byte{1}, 4096); err == nil; {
		_, err = file.Write(block)
	}
	_ = file.Close() // it is full, and was to be
	status, _, text := call(t, "POST", server.url+"/api/collectors/start", `{"timeframe":"1m","symbol":"BTCUSDT"}`, "Accept-Language", "en")
	if status == 200 {
		t.Errorf("a start that cannot be written down was answered %d %s", status, text)
	}
	if n := s.copies("BTCUSDT 1m"); n != 0 {
		t.Errorf("%d processes of a start that was refused", n)
	}
	time.Sleep(5 * time.Second) // ten candles of the market, which nobody can write
	if !alive(pid) {
		t.Error("the collector died of a full disk")
	}
	if status, _, text := call(t, "GET", server.url+"/api/collectors/status", ""); status != 200 || !strings.Contains(string(text), "ETHUSDT") {
		t.Errorf("the status with a full disk: %d %s", status, text)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the start succeeds once there is room", 60*time.Second, func() bool {
		status, _, _ := call(t, "POST", server.url+"/api/collectors/start", `{"timeframe":"1m","symbol":"BTCUSDT"}`)
		return status == 200 || status == 409
	})
	s.agrees(server, 2)
	s.whole(server, "ETHUSDT", 15)
	s.whole(server, "BTCUSDT", 2)
}

// TestReadOnlyDataDirectory takes the right to write away before a server begins, and gives it back.
func TestReadOnlyDataDirectory(t *testing.T) {
	t.Parallel()
	dir, remount := tmpfs(t, 96)
	s := newSite(t, nil)
	s.dir = filepath.Join(dir, "data")
	s.env[len(s.env)-1] = "VELADOR_DATA_DIR=" + s.dir
	remount("ro")
	_, stderr, code := velador(t, s.env, "serve", "--port", "0")
	if code != 2 || !strings.Contains(stderr, "VELADOR_DATA_DIR") || strings.Count(stderr, "\n") > 3 {
		t.Errorf("a data directory that cannot be written: exit code %d: %s", code, stderr)
	}
	remount("rw")
	server := s.serve(nil)
	pid := start(t, server, ethBody)
	s.whole(server, "ETHUSDT", 2)
	s.kill(server)
	killPID(t, pid)
	server = s.serve(nil)
	s.agrees(server, 1)
	s.whole(server, "ETHUSDT", 5)
}
