package e2e

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// TestVerifyFindsAWrongDigitAndAHoleAndMendsThem changes the database behind the server's back, and has
// the command find it.
func TestVerifyFindsAWrongDigitAndAHoleAndMendsThem(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		s := newSite(t, env, "--from", "2026-03-02T10:00:00Z")
		server := s.serve(nil)
		start(t, server, `{"timeframe":"1m","symbol":"ETHUSDT","since":"2026-03-01T00:00:00Z"}`)
		s.whole(server, "ETHUSDT", 34*60)
		verify := func(more ...string) (map[string]any, string, int) {
			t.Helper()
			stdout, stderr, code := velador(t, []string{"VELADOR_SERVER=" + server.url}, append([]string{"verify", "ETHUSDT", "1m", "--json", "--to", "2026-03-02 09:59"}, more...)...)
			var report map[string]any
			if err := json.Unmarshal([]byte(stdout), &report); err != nil {
				t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
			}
			return report, stderr, code
		}
		if report, _, code := verify(); code != 0 || report["checked"].(float64) < 33*60 || report["differing"] != 0.0 || report["missing"] != 0.0 || report["vanished"] != 0.0 {
			t.Errorf("untouched: exit code %d, %v", code, report)
		}
		s.tamper(env, "UPDATE candles SET close = '1.00000001' WHERE open_time = 1772353860000")     // 2026-03-01T08:31
		s.tamper(env, "DELETE FROM candles WHERE open_time BETWEEN 1772359800000 AND 1772360100000") // 10:10 to 10:15
		if report, _, code := verify("--dry-run"); code != 5 || report["differing"] != 1.0 || report["missing"] != 6.0 || report["corrected"] != 0.0 {
			t.Errorf("dry run: exit code %d, %v", code, report)
		}
		stdout, stderr, code := velador(t, []string{"VELADOR_SERVER=" + server.url}, "verify", "ETHUSDT", "1m")
		if code != 5 || !strings.Contains(stdout, "2026-03-01T08:31:00.000Z  differing  close 1.00000001 → ") || !strings.Contains(stdout, "7 candles were wrong, 7 of them corrected") {
			t.Errorf("exit code %d: %s%s", code, stdout, stderr)
		}
		if report, _, code := verify(); code != 0 || report["corrected"] != 0.0 {
			t.Errorf("afterwards: exit code %d, %v", code, report)
		}
		s.whole(server, "ETHUSDT", 34*60)
		if _, stderr, code := velador(t, []string{"VELADOR_SERVER=" + server.url}, "verify", "BTCUSDT", "1m"); code != 3 || !strings.Contains(stderr, "BTCUSDT") {
			t.Errorf("a series that is not there: exit code %d: %s", code, stderr)
		}
		server.stop()
	})
}

// TestADatabaseRestoredFromAnOlderCopyIsFilledAgain puts an older state of the database below a collector
// that lives, and has long handed over what that state lacks.
func TestADatabaseRestoredFromAnOlderCopyIsFilledAgain(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		s := newSite(t, env, "--from", "2026-03-02T10:00:00Z", "--speed", "600")
		first := s.serve(nil)
		pid := start(t, first, `{"timeframe":"1m","symbol":"ETHUSDT","since":"2026-03-01T00:00:00Z"}`)
		s.whole(first, "ETHUSDT", 34*60)
		s.kill(first)
		s.tamper(env, "DELETE FROM candles WHERE open_time > 1772359800000") // 2026-03-01T10:10, a day before
		s.tamper(env, "UPDATE series SET confirmed_to = 1772359800000")
		second := s.serve(nil)
		eventually(t, "the collector is started anew", 60*time.Second, func() bool {
			now := pidOf(t, second, "ETHUSDT", "1m")
			return now != 0 && now != pid
		})
		s.whole(second, "ETHUSDT", 34*60)
		if _, _, history := call(t, "GET", second.url+"/api/collectors/1/history", ""); !strings.Contains(string(history), "candles that the database does not have") {
			t.Errorf("its history does not say why: %s", history)
		}
		second.stop()
	})
}

// tamper changes rows of the site's database behind its server's back.
func (s *site) tamper(env []string, statement string) {
	s.t.Helper()
	driver, source := "sqlite", filepath.Join(s.dir, "velador.db")
	for _, entry := range env {
		if url, ok := strings.CutPrefix(entry, "DATABASE_URL="); ok {
			driver, source = "pgx", url
		}
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if driver == "sqlite" {
		if _, err := db.ExecContext(s.t.Context(), "PRAGMA busy_timeout = 20000"); err != nil {
			s.t.Fatal(err)
		}
	}
	result, err := db.ExecContext(s.t.Context(), statement)
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		s.t.Fatalf("%s changed %d rows: %v", statement, n, err)
	}
}
