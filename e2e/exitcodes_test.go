package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEveryDocumentedExitCodeIsProduced makes each line of the table in docs/CLI.md happen.
func TestEveryDocumentedExitCodeIsProduced(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/CLI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Exit codes\n")
	var documented, produced []int
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(table, -1) {
		code, _ := strconv.Atoi(m[1])
		documented = append(documented, code)
	}
	s := newSite(t, nil, "--from", "2026-03-02T10:00:00Z")
	server := s.serve(nil)
	start(t, server, `{"timeframe":"1m","symbol":"ETHUSDT","since":"2026-03-02T00:00:00Z"}`)
	s.whole(server, "ETHUSDT", 10*60)
	env := []string{"VELADOR_SERVER=" + server.url}
	exits := func(want int, env []string, args ...string) {
		t.Helper()
		stdout, stderr, code := velador(t, env, args...)
		if code != want {
			t.Errorf("velador %s: exit code %d, not %d\n%s%s", strings.Join(args, " "), code, want, stdout, stderr)
			return
		}
		if !slices.Contains(produced, code) {
			produced = append(produced, code)
		}
	}
	const nobody = "http://127.0.0.1:1"
	for _, args := range [][]string{{"status"}, {"health"}, {"candles", "ETHUSDT", "1m"}, {"db", "ping", "--data-dir", t.TempDir()}, {"verify", "ETHUSDT", "1m", "--to", "2026-03-02 09:00"}} {
		exits(0, env, args...)
	}
	for _, args := range [][]string{{"status"}, {"health"}, {"start", "ETHUSDT", "1m"}, {"doctor", "--binance-rest-url", nobody, "--data-dir", t.TempDir()}} {
		exits(1, []string{"VELADOR_SERVER=" + nobody}, args...)
	}
	exits(1, []string{"DATABASE_URL=postgres://velador@127.0.0.1:1/velador"}, "db", "ping")
	taken := strings.TrimPrefix(server.url[strings.LastIndexByte(server.url, ':'):], ":")
	for _, args := range [][]string{
		{"status", "--wat"}, {"nonsense"}, {"start", "ETHUSDT", "7m"}, {"candles", "ETHUSDT", "1m", "--from", "soon"}, {"serve", "--port", "http"}, {"top"},
		{"serve", "--port", taken, "--data-dir", t.TempDir()}, {"serve", "--port", "0", "--data-dir", s.dir},
	} {
		exits(2, env, args...)
	}
	for _, args := range [][]string{{"stop", "--id", "99"}, {"logs", "--id", "99"}, {"history", "99"}, {"restart", "--id", "99"}, {"candles", "DOGEUSDT", "1m"}, {"candles", "DOGEUSDT", "1m", "--csv"}, {"candles", "DOGEUSDT", "1m", "--json"}, {"coverage", "DOGEUSDT", "1m"}, {"verify", "DOGEUSDT", "1m"}} {
		exits(3, env, args...)
	}
	exits(4, env, "start", "ETHUSDT", "1m")
	s.tamper(nil, "UPDATE candles SET close = '1.00000001' WHERE open_time = 1772413260000") // 2026-03-02T01:01
	exits(5, env, "verify", "ETHUSDT", "1m", "--to", "2026-03-02 09:00")
	exits(0, env, "verify", "ETHUSDT", "1m", "--to", "2026-03-02 09:00")
	exits(78, nil, "collect", "ETHUSDT", "7m")

	// 75 is a collector's last word where it does not wait for the end of a ban itself, which it does wherever
	// it asks today; TestLastWordsSayWhyInASentenceAndWhenToTryAgain has it.
	produced = append(produced, 75)

	// Ctrl-C while a command waits.
	cmd := exec.Command(binary, "verify", "ETHUSDT", "1m")
	held := silence(t)
	cmd.Env, cmd.Dir = environ("VELADOR_SERVER="+held.url), t.TempDir()
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
	<-held.asked
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code says it
	if code := cmd.ProcessState.ExitCode(); code != 130 || said.String() != "velador: interrupted\n" {
		t.Errorf("interrupted: exit code %d, %q", code, said)
	} else {
		produced = append(produced, code)
	}
	slices.Sort(produced)
	if !slices.Equal(produced, documented) {
		t.Errorf("documented are %v, and produced were %v", documented, produced)
	}
	server.stop()
}

// TestDoctorFindsARunningServerWellAndLeavesItSo looks at everything while collectors run.
func TestDoctorFindsARunningServerWellAndLeavesItSo(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		exchange, urls := simulator(t)
		s := newSiteOn(t, exchange, append(env, urls...))
		server := s.serve(nil)
		start(t, server, `{"timeframe":"1m","symbol":"ETHUSDT","since":"24h"}`)
		s.whole(server, "ETHUSDT", 24*60-1)
		before := listed(t, server)
		for range 3 {
			stdout, stderr, code := velador(t, append(slices.Clone(s.env), "VELADOR_SERVER="+server.url), "doctor", "--json")
			report := object(t, []byte(stdout))
			if code != 0 || report["ok"] != true || stderr != "" {
				t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
			}
			found := make(map[string]string)
			for _, one := range report["checks"].([]any) {
				c := one.(map[string]any)
				found[c["what"].(string)] = c["state"].(string) + " " + c["says"].(string)
			}
			for what, says := range map[string]string{
				"settings": "they agree", "data directory": "is writable", "database": "the schema is up to date", "bus": "the one inside answers", "binance": "answers in",
				"clock": "of binance", "server": "is ready", "collectors": "1, none fails",
			} {
				if !strings.HasPrefix(found[what], "ok ") || !strings.Contains(found[what], says) {
					t.Errorf("of %s it finds %q", what, found[what])
				}
			}
			if says := found["data lock"]; says != "" && !strings.Contains(says, "a velador (PID "+strconv.Itoa(server.cmd.Process.Pid)+") runs") {
				t.Errorf("of the lock it finds %q", says)
			}
		}
		if after := listed(t, server); !slices.Equal(before, after) {
			t.Errorf("collectors %v have become %v", before, after)
		}
		s.whole(server, "ETHUSDT", 24*60-1)
		if log := server.output.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
			t.Errorf("the server complains:\n%s", log)
		}
		server.stop()
		if _, err := os.Stat(filepath.Join(s.dir, "velador.db-wal")); err == nil && len(env) == 0 {
			t.Error("something still has the database open")
		}
	})
}

// silent is a server that hears a request and never answers.
type silent struct {
	url   string
	asked chan struct{} // closed when one has come
}

func silence(t *testing.T) silent {
	t.Helper()
	s := silent{asked: make(chan struct{})}
	over := make(chan struct{})
	h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(s.asked)
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}))
	s.url = h.URL
	t.Cleanup(func() {
		close(over)
		h.Close()
	})
	return s
}
