package cli

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

func TestRestartSaysWhichProcessCollectsNow(t *testing.T) {
	t.Parallel()
	fleet := servertest.NewFleet(nowIs, "ETHUSDT")
	if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.New(server.Config{Fleet: fleet, Candles: servertest.Minutes("ETHUSDT", 0, 1), Logs: servertest.NewLogs()}).Handler())
	t.Cleanup(web.Close)
	restart := func(args ...string) (code int, out, complaint string) {
		var stdout, stderr strings.Builder
		code = Main(append([]string{"restart", "--env-file", "/dev/null", "--server", web.URL}, args...), []string{"LANG=C"}, strings.NewReader(""), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	if code, out, complaint := restart("12345"); code != ExitOK || out != "Collector restarted for ETHUSDT on timeframe 1m (PID 13345, id 1)\n" {
		t.Errorf("%d %q %s", code, out, complaint)
	}
	var answer api.RestartAnswer
	if code, out, complaint := restart("--id", "1", "--json"); code != ExitOK || json.Unmarshal([]byte(out), &answer) != nil || answer.PID != 14345 || answer.ID != 1 {
		t.Errorf("%d %q %s", code, out, complaint)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"12345"}, ExitNotFound, "not found"},
		{nil, ExitUsage, "velador status lists both"},
		{[]string{"x"}, ExitUsage, "is no PID"},
		{[]string{"1", "--id", "1"}, ExitUsage, "not both"},
	} {
		if code, out, complaint := restart(c.args...); code != c.code || out != "" || !strings.Contains(complaint, c.says) {
			t.Errorf("%v: %d %q %s", c.args, code, out, complaint)
		}
	}
	fleet.Deafen(1, problem.New(problem.Unavailable, problem.CodeRestartFailed, nil, "x", "detail", "its agent is away"))
	if code, _, complaint := restart("--id", "1"); code != ExitFailure || !strings.Contains(complaint, "its agent is away") {
		t.Errorf("%d %s", code, complaint)
	}
	if code := Main([]string{"restart", "--env-file", "/dev/null", "--server", "http://127.0.0.1:1", "7"}, nil, strings.NewReader(""), io.Discard, io.Discard); code != ExitFailure {
		t.Errorf("without a server the code is %d", code)
	}
}
