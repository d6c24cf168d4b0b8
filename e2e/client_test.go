package e2e

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCommandsOverARunningServer goes through the day of somebody who uses the command line only.
func TestCommandsOverARunningServer(t *testing.T) {
	t.Parallel()
	_, exchange := simulator(t, "--speed", "60")
	server := serve(t, exchange)
	env := []string{"VELADOR_SERVER=" + server.url}
	want := func(code int, form string, args ...string) string {
		t.Helper()
		stdout, stderr, got := velador(t, env, args...)
		if got != code || !regexp.MustCompile(form).MatchString(stdout+stderr) {
			t.Fatalf("velador %s: exit code %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, form, stdout, stderr)
		}
		return stdout
	}
	want(0, `^Nothing is being collected`, "status")
	said := want(0, `^Collector started for ETHUSDT on timeframe 1m \(PID \d+, id 1\)\n$`, "start", "ETHUSDT", "1m", "--since", "2h")
	pid := regexp.MustCompile(`PID (\d+)`).FindStringSubmatch(said)[1]
	want(4, `ETHUSDT`, "start", "ETHUSDT", "1m")
	want(2, `NOPE`, "start", "NOPE", "1m")
	want(2, `7m`, "start", "ETHUSDT", "7m")
	want(2, `since`, "start", "BTCUSDT", "1m", "--since", "soon")
	want(0, `ID +PID +EXCHANGE +SYMBOL +TIMEFRAME +STATUS +PHASE +UPTIME +LAST CANDLE +GAPS +RATE +CPU +MEMORY +RESTARTS *\n+1 +`+pid+` +binance +ETHUSDT +1m +running`, "status")
	var answer struct{ Collectors []map[string]any }
	if err := json.Unmarshal([]byte(want(0, `"pid"`, "status", "--json")), &answer); err != nil || len(answer.Collectors) != 1 {
		t.Errorf("%v: %v", err, answer)
	}
	eventually(t, "the back-fill is stored", 30*time.Second, func() bool {
		stdout, _, _ := velador(t, env, "candles", "ETHUSDT", "1m", "--csv")
		return strings.Count(stdout, "\n") > 100
	})
	if lines := strings.Count(want(0, `OPEN TIME`, "candles", "ETHUSDT", "1m", "--limit", "3"), "\n"); lines != 4 {
		t.Errorf("three candles take %d lines", lines)
	}
	want(0, `"openTime"`, "candles", "ETHUSDT", "1m", "--limit", "3", "--json")
	want(3, `nothing of BTCUSDT 1h on binance`, "candles", "BTCUSDT", "1h")
	want(0, `collecting`, "logs", pid)
	want(3, `no collector runs with PID 1`, "logs", "1")
	want(0, `stopped.*PID `+pid, "stop", pid)
	want(3, `not found`, "stop", pid)
	want(3, ``, "stop", "--id", "99")
	want(0, `collecting`, "logs", "--id", "1")
	want(0, `collecting`, "logs", "--id", "1", "-f") // it ends: the collector will say no more
	want(0, `ETHUSDT|BTCUSDT|1m`, "__complete", "start", "ETHUSDT", "")
}

// TestACollectorByHandPrintsCandles runs one without any server.
func TestACollectorByHandPrintsCandles(t *testing.T) {
	t.Parallel()
	_, exchange := simulator(t, "--speed", "600", "--from", "2026-03-02T10:00:00Z")
	cmd := exec.Command(binary, "collect", "BTCUSDT,ETHUSDT", "1m", "--since", "2026-03-02T09:30:00Z", "--log-level", "error")
	cmd.Env, cmd.Dir = environ(exchange...), t.TempDir()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
	next := map[string]int64{}
	lines := bufio.NewScanner(stdout)
	for n := 0; n < 100 && lines.Scan(); n++ {
		var c struct {
			Exchange, Symbol, Timeframe, Open string
			OpenTime                          int64
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil || c.Exchange != "binance" || c.Timeframe != "1m" || c.Open == "" {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if expected, known := next[c.Symbol]; known && c.OpenTime != expected {
			t.Errorf("%s: %d follows, want %d", c.Symbol, c.OpenTime, expected)
		}
		next[c.Symbol] = c.OpenTime + 60_000
	}
	if len(next) != 2 {
		t.Errorf("candles of %v", next)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

func TestATokenIsWantedOfClientsAndSentByTheCommands(t *testing.T) {
	t.Parallel()
	const token = "a-long-random-text-of-no-meaning"
	server := serve(t, []string{"VELADOR_TOKEN=" + token})
	env := []string{"VELADOR_SERVER=" + server.url}
	if _, stderr, code := velador(t, env, "status"); code != 1 || !strings.Contains(stderr, "VELADOR_TOKEN") {
		t.Errorf("without the token: exit code %d, %s", code, stderr)
	}
	if stdout, stderr, code := velador(t, append(env, "VELADOR_TOKEN="+token), "status"); code != 0 || !strings.Contains(stdout, "Nothing") {
		t.Errorf("with the token: exit code %d, %s%s", code, stdout, stderr)
	}
	if status, _, text := call(t, "GET", server.url+"/readyz", ""); status != 200 || !strings.Contains(string(text), `"checks":{"agent":"ok","bus":"ok","database":"ok"}`) {
		t.Errorf("a probe without the token: %d %s", status, text)
	}
}
