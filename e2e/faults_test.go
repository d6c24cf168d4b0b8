package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"velador/internal/candle"
	"velador/internal/store/postgres/pgtest"
)

func TestAnExchangeThatCannotBeReachedIsNamed(t *testing.T) {
	t.Parallel()
	nonsense := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<html>Welcome to the hotel's network</html>")
	}))
	defer nonsense.Close()
	for name, url := range map[string]string{"nobody there": "http://127.0.0.1:1", "nonsense": nonsense.URL} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, []string{"VELADOR_BINANCE_REST_URL=" + url, "VELADOR_BINANCE_WS_URL=ws://127.0.0.1:1"})
			status, _, text := call(t, "POST", s.url+"/api/collectors/start", `{"timeframe":"1m","symbol":"ETHUSDT"}`)
			if sentence, _ := object(t, text)["error"].(string); status != http.StatusServiceUnavailable || !strings.Contains(sentence, "binance") {
				t.Errorf("%d %s", status, text)
			}
			if status, _, text := call(t, "GET", s.url+"/api/collectors/status", ""); status != 200 || strings.TrimSpace(string(text)) != `{"collectors":[]}` {
				t.Errorf("something is left behind: %d %s", status, text)
			}
		})
	}
}

func TestWhatAnotherOneHoldsIsRefused(t *testing.T) {
	t.Parallel()
	first := serve(t, nil)
	dir := ""
	for _, entry := range first.cmd.Env {
		if value, ok := strings.CutPrefix(entry, "VELADOR_DATA_DIR="); ok {
			dir = value
		}
	}
	_, stderr, code := velador(t, []string{"VELADOR_DATA_DIR=" + dir}, "serve", "--port", "0")
	if code != 2 || !strings.Contains(stderr, "another velador") || strings.Count(strings.TrimSpace(stderr), "\n") != 0 {
		t.Errorf("the data directory of another one: exit code %d: %s", code, stderr)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(first.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	_, stderr, code = velador(t, []string{"VELADOR_DATA_DIR=" + other, "PORT=" + port}, "serve")
	if code != 2 || !strings.Contains(stderr, port) || strings.Count(strings.TrimSpace(stderr), "\n") != 0 {
		t.Errorf("a port that is taken: exit code %d: %s", code, stderr)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("a server that could not listen has made its data directory")
	}
}

// TestAKilledServerFindsItsCollectorsAgain kills the server with kill -9; its collectors live on, and
// the next server adopts them under the same PIDs, no candle lost.
func TestAKilledServerFindsItsCollectorsAgain(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		_, exchange := simulator(t, "--speed", "120")
		env = append(append(env, exchange...), "VELADOR_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
		first := run(t, environ(env...), "serve", "--port", "0")
		pid := start(t, first, `{"timeframe":"1m","symbol":"ETHUSDT"}`)
		stored := func(s *program) (present, expected float64) {
			_, _, text := call(t, "GET", s.url+"/api/coverage?symbol=ETHUSDT&timeframe=1m", "")
			c := object(t, text)
			return c["present"].(float64), c["expected"].(float64)
		}
		eventually(t, "candles are stored", 30*time.Second, func() bool { n, _ := stored(first); return n >= 3 })
		before, _ := stored(first)
		if err := first.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-first.ended
		if !alive(pid) {
			t.Fatal("the collector died with the server")
		}
		time.Sleep(3 * time.Second) // six candles of the market, while nobody can take them
		second := run(t, environ(env...), "serve", "--port", "0")
		eventually(t, "the same process is listed", 20*time.Second, func() bool { return pidOf(t, second, "ETHUSDT", "1m") == pid })
		eventually(t, "the candles of the time between are stored", 30*time.Second, func() bool { n, _ := stored(second); return n >= before+8 })
		if present, expected := stored(second); present != expected {
			t.Errorf("%v of %v candles are stored", present, expected)
		}
		second.stop()
		if alive(pid) {
			t.Error("the adopted collector outlived a graceful stop")
		}
		third := run(t, environ(env...), "serve", "--port", "0")
		eventually(t, "what was wanted is resumed", 20*time.Second, func() bool { p := pidOf(t, third, "ETHUSDT", "1m"); return p != 0 && p != pid })
	})
}

// externalBus starts a NATS that no velador runs, and gives its address.
func externalBus(t *testing.T) string {
	t.Helper()
	nats, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, Username: "velador", Password: "not a secret"})
	if err != nil {
		t.Fatal(err)
	}
	go nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(10 * time.Second) {
		t.Fatal("the bus does not start")
	}
	return strings.Replace(nats.ClientURL(), "nats://", "nats://velador:not%20a%20secret@", 1)
}

// TestTwoServersOnOneBusWriteInTurns has two installations share a NATS and a PostgreSQL: one of them writes
// what the collectors of both bring, and the other one does when that one is killed.
func TestTwoServersOnOneBusWriteInTurns(t *testing.T) {
	t.Parallel()
	first := newSite(t, []string{"DATABASE_URL=" + pgtest.Database(t), "VELADOR_NATS_URL=" + externalBus(t)})
	second := newSiteOn(t, first.exchange, first.env[:len(first.env)-1])
	one, two := first.serve(nil), second.serve(nil)
	start(t, one, `{"timeframe":"1m","symbol":"ETHUSDT","since":"48h"}`)
	start(t, two, `{"timeframe":"1m","symbol":"BTCUSDT","since":"48h"}`)
	first.whole(one, "ETHUSDT", 47*60)
	first.whole(two, "BTCUSDT", 47*60)
	if wrote, waited := figure(t, one, "velador_writer_batches_total"), figure(t, two, "velador_writer_batches_total"); wrote == 0 || waited != 0 {
		t.Errorf("the first server wrote %v batches, the second one %v", wrote, waited)
	}
	first.kill(one)
	present, _, _ := collected(t, two, "ETHUSDT")
	eventually(t, "the second server writes when the first one's lease has run out", 60*time.Second, func() bool {
		now, _, _ := collected(t, two, "ETHUSDT")
		return now > present+10
	})
	again := first.serve(nil)
	first.whole(again, "ETHUSDT", int(present)+10)
	first.whole(again, "BTCUSDT", int(present)+10)
	if n := figure(t, again, "velador_writer_batches_total"); n != 0 {
		t.Errorf("the first server, started again, took the turn from the one that writes: %v batches", n)
	}
	for _, server := range []*program{again, two} {
		if n := figure(t, server, "velador_writer_unconfirmed_total"); n != 0 {
			t.Errorf("%v audits did not fit what is stored", n)
		}
		server.stop()
	}
}

// figure reads one of a server's figures that has no labels.
func figure(t *testing.T, server *program, name string) float64 {
	t.Helper()
	_, _, text := call(t, "GET", server.url+"/metrics", "")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return n
		}
	}
	t.Fatalf("/metrics has no %s", name)
	return 0
}

// TestAnExternalBusServesAsTheEmbeddedOne runs the server on a NATS of its own.
func TestAnExternalBusServesAsTheEmbeddedOne(t *testing.T) {
	t.Parallel()
	_, exchange := simulator(t, "--speed", "120")
	s := serve(t, append(exchange, "VELADOR_NATS_URL="+externalBus(t)))
	start(t, s, `{"timeframe":"1m","symbol":"ETHUSDT","since":"1h"}`)
	eventually(t, "candles are stored", 30*time.Second, func() bool {
		_, _, text := call(t, "GET", s.url+"/api/candles?symbol=ETHUSDT&timeframe=1m", "")
		return len(object(t, text)["candles"].([]any)) > 60
	})
	s.stop()
	_, stderr, code := velador(t, []string{"VELADOR_NATS_URL=nats://127.0.0.1:1", "VELADOR_DATA_DIR=" + t.TempDir()}, "serve", "--port", "0")
	if code == 0 || !strings.Contains(stderr, "bus") {
		t.Errorf("a bus that cannot be reached: exit code %d: %s", code, stderr)
	}
}

// TestFaultsOfTheExchangeLeaveNoHole strikes a collector with what exchanges do to their clients, and
// compares what is stored with what the exchange serves.
func TestFaultsOfTheExchangeLeaveNoHole(t *testing.T) {
	t.Parallel()
	exchange, urls := simulator(t, "--speed", "300", "--from", "2026-03-02T10:00:00Z", "--seed", "7")
	for _, fault := range []string{
		`{"kind":"frame-drop","rate":0.2}`, `{"kind":"frame-duplicate","rate":0.1}`, `{"kind":"frame-stale","rate":0.1}`, `{"kind":"frame-garbage","rate":0.02}`,
		`{"kind":"frame-reset","rate":0.002}`, `{"kind":"stream-lost-close","rate":0.2}`, `{"kind":"stream-late-close","rate":0.2}`,
		`{"kind":"rest-server-error","rate":0.05}`, `{"kind":"rest-truncated","rate":0.05}`, `{"kind":"rest-empty","rate":0.05}`, `{"kind":"rest-reset","rate":0.05}`,
		`{"kind":"handshake-refused","rate":0.2}`,
	} {
		if status, _, text := call(t, "POST", exchange.url+"/control/faults", fault); status/100 != 2 {
			t.Fatalf("%s: %d %s", fault, status, text)
		}
	}
	last, _ := candle.ParseMillis("2026-03-02T11:59:00Z")
	s := serve(t, urls)
	symbols := []string{"BTCUSDT", "ETHUSDT", "SOLUSDT"}
	for _, symbol := range symbols {
		// The first questions may be struck too: a person would ask again.
		eventually(t, symbol+" is collected", 30*time.Second, func() bool {
			status, _, _ := call(t, "POST", s.url+"/api/collectors/start", fmt.Sprintf(`{"timeframe":"1m","symbol":"%s","since":"2026-03-02T09:00:00Z"}`, symbol))
			return status == 200 || status == 409
		})
	}
	defer func() {
		for id := 1; t.Failed() && id <= len(symbols); id++ {
			logs, _, _ := velador(t, []string{"VELADOR_SERVER=" + s.url}, "logs", "--id", fmt.Sprint(id))
			_, _, coverage := call(t, "GET", fmt.Sprintf("%s/api/coverage?symbol=%s&timeframe=1m", s.url, symbols[id-1]), "")
			t.Logf("%s: %s\n%s", symbols[id-1], coverage, logs)
		}
	}()
	eventually(t, "two hours of the market have passed", 60*time.Second, func() bool {
		_, _, text := call(t, "GET", exchange.url+"/control/clock", "")
		return object(t, text)["now"].(float64) > float64(last.Add(2*time.Minute))
	})
	if status, _, text := call(t, "DELETE", exchange.url+"/control/faults", ""); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	for _, symbol := range symbols {
		eventually(t, symbol+" is whole", 90*time.Second, func() bool {
			_, _, text := call(t, "GET", fmt.Sprintf("%s/api/coverage?symbol=%s&timeframe=1m&to=%d", s.url, symbol, last), "")
			c := object(t, text)
			missing := 0.0
			for _, gap := range c["gaps"].([]any) {
				if gap := gap.(map[string]any); gap["state"] == "absent" {
					missing += gap["missing"].(float64)
				}
			}
			return c["last"] == float64(last) && c["present"].(float64)+missing == 180
		})
	}
	for _, symbol := range symbols {
		_, _, served := call(t, "GET", fmt.Sprintf("%s/api/v3/klines?symbol=%s&interval=1m&startTime=1772442000000&endTime=%d&limit=1000", exchange.url, symbol, last), "")
		_, _, stored := call(t, "GET", fmt.Sprintf("%s/api/candles?symbol=%s&timeframe=1m&format=csv&to=%d", s.url, symbol, last), "")
		if want := klinesAsCSV(t, served); string(stored) != want {
			t.Errorf("%s: %s", symbol, firstDifference(want, string(stored)))
		}
	}
}

// klinesAsCSV writes an answer of GET /api/v3/klines in the columns of the contract, digit for digit.
func klinesAsCSV(t *testing.T, rows []byte) string {
	t.Helper()
	text := candle.CSVHeader + "\n"
	for row := range strings.SplitSeq(strings.Trim(string(rows), "[]\n"), "],[") {
		fields := strings.Split(strings.ReplaceAll(row, `"`, ""), ",")
		if len(fields) != 12 {
			t.Fatalf("a row of %d columns: %s", len(fields), row)
		}
		text += strings.Join(fields[:11], ",") + "\n"
	}
	return text
}
