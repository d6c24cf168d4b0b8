package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

// twoCollectors is a server that runs two collectors.
func twoCollectors(t *testing.T) (*servertest.Fleet, string) {
	t.Helper()
	fleet := servertest.NewFleet(time.Now, "ETHUSDT", "BTCUSDT")
	for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
		if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: symbol}); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewServer(server.New(server.Config{Fleet: fleet, Candles: &servertest.Candles{}, Logs: servertest.NewLogs()}).Handler())
	t.Cleanup(s.Close)
	return fleet, s.URL
}

func running(t *testing.T, fleet *servertest.Fleet) int {
	t.Helper()
	all, err := fleet.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// says runs velador and checks its exit code and what it prints.
func says(t *testing.T, stdin io.Reader, code int, stdout, stderr string, args ...string) {
	t.Helper()
	var out, errs strings.Builder
	if got := Main(args, []string{"LANG=en_GB.UTF-8"}, stdin, &out, &errs); got != code || out.String() != stdout || !strings.Contains(errs.String(), stderr) {
		t.Errorf("%q: exit code %d\n%s\n%s; want %d\n%s\n%s", args, got, out.String(), errs.String(), code, stdout, stderr)
	}
}

func TestStopAllTellsOfEachCollector(t *testing.T) {
	t.Parallel()
	_, url := twoCollectors(t)
	nobody := strings.NewReader("y\n") // a pipe is nobody
	says(t, nobody, ExitOK, "Collector 1 is stopped (PID 12345).\nCollector 2 is stopped (PID 12346).\n", "", "stop", "--all", "--yes", "--server", url)
	says(t, nobody, ExitOK, "There was no collector to stop.\n", "", "stop", "--all", "--yes", "--server", url)
	says(t, nobody, ExitOK, "{\n  \"message\": \"Collectors stopped: 0\",\n  \"stopped\": []\n}\n", "", "stop", "--all", "--yes", "--json", "--server", url)
}

func TestStopAllIsNotDoneUnasked(t *testing.T) {
	t.Parallel()
	fleet, url := twoCollectors(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, stdin := range []io.Reader{strings.NewReader("y\n"), null} {
		says(t, stdin, ExitUsage, "", "give --yes", "stop", "--all", "--server", url)
	}
	says(t, null, ExitUsage, "", "beside it", "stop", "--all", "--yes", "12345", "--server", url)
	says(t, null, ExitUsage, "", "beside it", "stop", "--all", "--yes", "--id", "1", "--server", url)
	says(t, null, ExitUsage, "", "--all", "stop", "--yes", "12345", "--server", url)
	if n := running(t, fleet); n != 2 {
		t.Errorf("%d run", n)
	}
}

func TestStopAllThatFailsForSomeSaysForWhich(t *testing.T) {
	t.Parallel()
	fleet, url := twoCollectors(t)
	fleet.Deafen(1, problem.New(problem.Internal, problem.CodeStopFailed, nil, "x", "detail", "it is\nin state D"))
	says(t, nil, ExitFailure, "Collector 2 is stopped (PID 12346).\nCollector 1 is not stopped: The collector could not be stopped: it is in state D\n",
		"velador: Collectors that could not be stopped: 1; stopped: 1\n", "stop", "--all", "--yes", "--server", url)
	var out, errs strings.Builder
	code := Main([]string{"stop", "--all", "--yes", "--json", "--server", url}, nil, nil, &out, &errs)
	var answer api.StopAllAnswer
	if err := json.Unmarshal([]byte(out.String()), &answer); err != nil || code != ExitFailure || answer.Code != api.CodeStopAllFailed ||
		len(answer.Failed) != 1 || answer.Failed[0].ID != 1 || len(answer.Stopped) != 0 {
		t.Errorf("exit code %d, %+v, %v\n%s%s", code, answer, err, out.String(), errs.String())
	}
	fleet.Fail(problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "x"))
	says(t, nil, ExitFailure, "", "The database is not available now", "stop", "--all", "--yes", "--server", url)
}

func TestStopAllAsksOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, stopped := range map[string]bool{"y\n": true, "YES\n": true, "sí\n": true, "n\n": false, "\n": false, "yess\n": false} {
		fleet, url := twoCollectors(t)
		keyboard, screen := terminal(t)
		if _, err := io.WriteString(keyboard, answer); err != nil {
			t.Fatal(err)
		}
		code, said := ExitOK, "Collector 1 is stopped (PID 12345).\nCollector 2 is stopped (PID 12346).\n"
		if !stopped {
			code, said = ExitFailure, ""
		}
		says(t, screen, code, said, "Stop every collector of "+url+"? [y/N] ", "stop", "--all", "--server", url)
		if n := running(t, fleet); (n == 0) != stopped {
			t.Errorf("after %q %d run", answer, n)
		}
	}
}

func TestQuestionEndsWithASignal(t *testing.T) {
	t.Parallel()
	_, screen := terminal(t)
	ctx, signal := context.WithCancel(t.Context())
	signal()
	p := &program{stdin: screen, stderr: io.Discard}
	if err := p.confirm(ctx, "?"); exitCode(err) != exitInterrupted {
		t.Errorf("it ends with %v", err)
	}
}
