package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds the real program.
func build(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "velador")
	command := exec.Command("go", "build", "-trimpath", "-o", binary, "velador/cmd/velador")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// launch starts the program and gives the address that it prints.
func launch(b *testing.B, binary string, env []string, args ...string) string {
	b.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir, cmd.Stderr = append(os.Environ(), env...), b.TempDir(), os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "http"); ok {
			address, _, _ := strings.Cut("http"+rest, " ")
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return strings.TrimRight(address, ";.")
		}
	}
	b.Fatalf("velador %s printed no address", strings.Join(args, " "))
	return ""
}

// market starts a simulated exchange in real time and a server that collects from it.
func market(b *testing.B, secure bool) (server string) {
	b.Helper()
	binary := build(b)
	args, env := []string{"simulate", "--port", "0"}, []string{"VELADOR_LOG_LEVEL=error"}
	if secure {
		root := filepath.Join(b.TempDir(), "root.pem")
		args, env = append(args, "--tls-root", root), append(env, "SSL_CERT_FILE="+root)
	}
	exchange := launch(b, binary, env, args...)
	env = append(env, "VELADOR_BINANCE_REST_URL="+exchange, "VELADOR_BINANCE_WS_URL="+strings.Replace(exchange, "http", "ws", 1), "VELADOR_DATA_DIR="+b.TempDir())
	return launch(b, binary, env, "serve", "--port", "0")
}

func post(b *testing.B, url, body string) map[string]any {
	b.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("%s: %d %s", body, answer.StatusCode, text)
	}
	return o
}

// unique gives a process's unique memory in bytes: what would be free if it ended.
func unique(b *testing.B, pid int) (bytes int64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Skipf("this system does not tell a process's unique memory: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "Private_") {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			bytes += kib << 10
		}
	}
	return bytes
}

// BenchmarkCollectorMemory reports the unique memory of one of two collectors with a live stream
// each, bus included, half a minute after its start and a back-fill of a day.
func BenchmarkCollectorMemory(b *testing.B) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		b.Run(name, func(b *testing.B) {
			server := market(b, secure)
			post(b, server+"/api/collectors/start", `{"timeframe":"1m","symbol":"ETHUSDT","since":"24h"}`)
			pid := int(post(b, server+"/api/collectors/start", `{"timeframe":"1m","symbol":"BTCUSDT","since":"24h"}`)["pid"].(float64))
			for b.Loop() {
				time.Sleep(30 * time.Second) // frames come every two seconds of real time
			}
			b.ReportMetric(float64(unique(b, pid))/(1<<20), "MiB-unique")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkStart reports how long a start takes from the request to the answer, which comes when the
// process runs and the registration is durable.
func BenchmarkStart(b *testing.B) {
	server := market(b, false)
	warm := post(b, server+"/api/collectors/start", `{"timeframe":"3m","symbol":"ETHUSDT"}`) // reads the catalogue
	post(b, server+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, int(warm["pid"].(float64))))
	var taken []time.Duration
	for b.Loop() {
		begun := time.Now()
		started := post(b, server+"/api/collectors/start", `{"timeframe":"1m","symbol":"ETHUSDT"}`)
		taken = append(taken, time.Since(begun))
		post(b, server+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, int(started["pid"].(float64))))
	}
	slices.Sort(taken)
	b.ReportMetric(float64(taken[len(taken)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(taken[len(taken)*9/10].Microseconds())/1000, "ms-p90")
}
