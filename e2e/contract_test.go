package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestContract goes through DESIGN section 7 over real HTTP, against a real server with real
// collectors.
func TestContract(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		_, exchange := simulator(t, "--speed", "60")
		server := serve(t, append(env, exchange...))

		t.Run("nothing is collected at first", func(t *testing.T) {
			status, header, text := call(t, "GET", server.url+"/api/collectors/status", "")
			if status != 200 || strings.TrimSpace(string(text)) != `{"collectors":[]}` || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
				t.Errorf("%d %s %v", status, text, header)
			}
		})

		var pid int
		t.Run("a start answers with the PID of a process that lives", func(t *testing.T) {
			status, _, text := call(t, "POST", server.url+"/api/collectors/start", `{"timeframe":"1m","symbol":"ETHUSDT"}`)
			if status != 200 || !bytes.HasPrefix(text, []byte(`{"message":"Collector iniciado para ETHUSDT en timeframe 1m","pid":`)) {
				t.Fatalf("%d %s", status, text)
			}
			if pid = int(object(t, text)["pid"].(float64)); !alive(pid) {
				t.Errorf("process %d does not live", pid)
			}
		})

		t.Run("the status lists it with the six members of the contract first", func(t *testing.T) {
			status, _, text := call(t, "GET", server.url+"/api/collectors/status", "")
			form := fmt.Sprintf(`^\{"collectors":\[\{"pid":%d,"timeframe":"1m","symbol":"ETHUSDT","status":"running","startedAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","uptime":\d+[,}]`, pid)
			if status != 200 || !regexp.MustCompile(form).Match(text) {
				t.Errorf("%d %s", status, text)
			}
		})

		t.Run("a second start of the series is refused with the PID of the first", func(t *testing.T) {
			for _, body := range []string{`{"timeframe":"1m","symbol":"ETHUSDT"}`, `{"timeframe":"1m","symbol":"BTCUSDT,ETHUSDT"}`, `{"timeframe":"1m","symbol":"ETH*"}`} {
				status, _, text := call(t, "POST", server.url+"/api/collectors/start", body)
				if status != 409 || object(t, text)["pid"] != float64(pid) || object(t, text)["error"] == "" {
					t.Errorf("%s: %d %s", body, status, text)
				}
			}
		})

		stranger := exec.Command("sleep", "120")
		if err := stranger.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = stranger.Process.Kill(), stranger.Wait() }()
		self := os.Getpid()

		for _, c := range []struct {
			name, method, path, body string
			header                   []string
			status                   int
			error                    string // a part of the sentence
		}{
			{"an unknown symbol", "POST", "/api/collectors/start", `{"timeframe":"1m","symbol":"NOPEUSDT"}`, nil, 400, "NOPEUSDT"},
			{"a glob that matches nothing", "POST", "/api/collectors/start", `{"timeframe":"1m","symbol":"NOPE*"}`, nil, 400, "NOPE*"},
			{"a symbol in lower case", "POST", "/api/collectors/start", `{"timeframe":"1m","symbol":"ethusdt"}`, nil, 400, "ETHUSDT"},
			{"an unknown timeframe", "POST", "/api/collectors/start", `{"timeframe":"7m","symbol":"ETHUSDT"}`, nil, 400, "7m"},
			{"a timeframe in the wrong case", "POST", "/api/collectors/start", `{"timeframe":"1H","symbol":"ETHUSDT"}`, nil, 400, "1H"},
			{"an unknown exchange", "POST", "/api/collectors/start", `{"timeframe":"1m","symbol":"ETHUSDT","exchange":"nyse"}`, nil, 400, "nyse"},
			{"no symbol", "POST", "/api/collectors/start", `{"timeframe":"1m"}`, nil, 400, "symbol"},
			{"a symbol that is a number", "POST", "/api/collectors/start", `{"timeframe":"1m","symbol":1}`, nil, 400, "symbol"},
			{"no JSON", "POST", "/api/collectors/start", `timeframe=1m`, nil, 400, "JSON"},
			{"half of a JSON", "POST", "/api/collectors/start", `{"timeframe":"1m"`, nil, 400, "JSON"},
			{"an array", "POST", "/api/collectors/start", `[]`, nil, 400, "JSON"},
			{"an empty body", "POST", "/api/collectors/start", ``, nil, 400, "JSON"},
			{"a body that is too large", "POST", "/api/collectors/start", `{"symbol":"` + strings.Repeat("A", 1<<20) + `"}`, nil, 413, "bytes"},
			{"pid 0", "POST", "/api/collectors/stop", `{"pid":0}`, nil, 400, "pid"},
			{"a negative pid", "POST", "/api/collectors/stop", `{"pid":-5}`, nil, 400, "pid"},
			{"a fraction", "POST", "/api/collectors/stop", `{"pid":1.5}`, nil, 400, "pid"},
			{"a pid in quotes", "POST", "/api/collectors/stop", fmt.Sprintf(`{"pid":"%d"}`, pid), nil, 400, "pid"},
			{"a pid beyond all", "POST", "/api/collectors/stop", `{"pid":99999999999999999999}`, nil, 400, "pid"},
			{"no pid", "POST", "/api/collectors/stop", `{}`, nil, 400, "pid"},
			{"a living process that is not ours", "POST", "/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, stranger.Process.Pid), nil, 404, "Collector no encontrado o ya detenido"},
			{"the test itself", "POST", "/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, self), nil, 404, "Collector no encontrado o ya detenido"},
			{"the server itself", "POST", "/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, server.cmd.Process.Pid), nil, 404, "Collector no encontrado o ya detenido"},
			{"in English", "POST", "/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, self), []string{"Accept-Language", "en-GB,en;q=0.9"}, 404, "not found"},
			{"a wrong method", "GET", "/api/collectors/start", ``, nil, 405, "GET"},
			{"a wrong path", "GET", "/api/collector/status", ``, nil, 404, "/api/collector/status"},
			{"a page from elsewhere", "POST", "/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid), []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403, ""},
			{"candles without a symbol", "GET", "/api/candles?timeframe=1m", ``, nil, 400, "symbol"},
			{"candles of a wrong time", "GET", "/api/candles?symbol=ETHUSDT&timeframe=1m&from=yesterday", ``, nil, 400, "from"},
			{"candles in a wrong order", "GET", "/api/candles?symbol=ETHUSDT&timeframe=1m&order=up", ``, nil, 400, "order"},
			{"candles in a form that does not exist", "GET", "/api/candles?symbol=ETHUSDT&timeframe=1m&format=xml", ``, nil, 400, "xml"},
		} {
			t.Run(c.name, func(t *testing.T) {
				status, header, text := call(t, c.method, server.url+c.path, c.body, c.header...)
				answer := object(t, text)
				sentence, _ := answer["error"].(string)
				if status != c.status || sentence == "" || !strings.Contains(sentence, c.error) || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
					t.Errorf("%d %s, want %d and %q", status, text, c.status, c.error)
				}
				if status == 405 && header.Get("Allow") == "" {
					t.Error("no Allow header")
				}
			})
		}
		if !alive(stranger.Process.Pid) {
			t.Error("a stranger was killed")
		}
		if !alive(pid) {
			t.Error("the collector was killed by what was refused")
		}

		t.Run("a collector that dies unwatched is started again, and its series is still one", func(t *testing.T) {
			victim := start(t, server, `{"timeframe":"5m","symbol":"BTCUSDT"}`)
			process, err := os.FindProcess(victim)
			if err != nil {
				t.Fatal(err)
			}
			if err := process.Kill(); err != nil {
				t.Fatal(err)
			}
			var again int
			eventually(t, "another process collects", 20*time.Second, func() bool {
				again = pidOf(t, server, "BTCUSDT", "5m")
				return again != 0 && again != victim
			})
			status, _, text := call(t, "POST", server.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, again))
			if status != 200 {
				t.Errorf("%d %s", status, text)
			}
		})

		t.Run("a stop answers when the process is gone", func(t *testing.T) {
			status, _, text := call(t, "POST", server.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid))
			if want := fmt.Sprintf(`{"message":"Collector detenido exitosamente","pid":%d}`, pid); status != 200 || strings.TrimSpace(string(text)) != want {
				t.Errorf("%d %s, want %s", status, text, want)
			}
			if alive(pid) {
				t.Error("the process lives")
			}
			status, _, text = call(t, "POST", server.url+"/api/collectors/stop", fmt.Sprintf(`{"pid":%d}`, pid))
			if want := fmt.Sprintf(`{"error":"Collector no encontrado o ya detenido","pid":%d}`, pid); status != 404 || strings.TrimSpace(string(text)) != want {
				t.Errorf("again: %d %s, want %s", status, text, want)
			}
		})

		t.Run("of a hundred starts at once one succeeds", func(t *testing.T) {
			statuses := make(chan int, 100)
			for range cap(statuses) {
				go func() {
					answer, err := http.Post(server.url+"/api/collectors/start", "application/json", strings.NewReader(`{"timeframe":"15m","symbol":"SOLUSDT"}`))
					if err != nil {
						statuses <- 0
						return
					}
					_ = answer.Body.Close()
					statuses <- answer.StatusCode
				}()
			}
			got := map[int]int{}
			for range cap(statuses) {
				got[<-statuses]++
			}
			if got[200] != 1 || got[409] != 99 {
				t.Errorf("statuses %v", got)
			}
		})

		t.Run("the end of the server is the end of its collectors", func(t *testing.T) {
			var pids []int
			for _, symbol := range []string{"BTCUSDT", "ETHUSDT"} {
				pids = append(pids, start(t, server, fmt.Sprintf(`{"timeframe":"1h","symbol":"%s"}`, symbol)))
			}
			server.stop()
			if slices.ContainsFunc(pids, alive) {
				t.Errorf("of %v some live", pids)
			}
			if code := server.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	})
}

// pidOf finds a running collector; 0 when there is none.
func pidOf(t *testing.T, server *program, symbol, timeframe string) int {
	t.Helper()
	_, _, text := call(t, "GET", server.url+"/api/collectors/status", "")
	for _, c := range object(t, text)["collectors"].([]any) {
		if c := c.(map[string]any); c["symbol"] == symbol && c["timeframe"] == timeframe {
			return int(c["pid"].(float64))
		}
	}
	return 0
}
