package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

// writerVar gives the child of TestWhatWasAcknowledgedSurvivesAKill its database.
const writerVar = "SQLITE_KILL_TEST"

const killBatch = 50

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	if path := os.Getenv(writerVar); path != "" {
		writeUntilKilled(t, path)
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "velador.db")
	acknowledged := 0
	for round := range 3 {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
		child.Env = append(os.Environ(), writerVar+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for heard := 0; heard < 20 && lines.Scan(); {
			if n, found := strings.CutPrefix(lines.Text(), "stored "); found {
				heard++
				if acknowledged, err = strconv.Atoi(n); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it died counts too
			if n, found := strings.CutPrefix(lines.Text(), "stored "); found {
				if n, err := strconv.Atoi(n); err == nil {
					acknowledged = n
				}
			}
		}
		_ = child.Wait() // killed, as it should be
		s := open(t, path)
		c, err := s.Coverage(t.Context(), entry(0).Series, candle.Range{})
		if err != nil || c.Present < int64(acknowledged) || c.Present%killBatch != 0 || acknowledged < 20*killBatch*(round+1) {
			t.Fatalf("round %d: %d candles were acknowledged, %d are stored: %v", round, acknowledged, c.Present, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeUntilKilled goes on where the database ends and says what it has stored.
func writeUntilKilled(t *testing.T, path string) {
	s := open(t, path)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := s.Coverage(t.Context(), entry(0).Series, candle.Range{})
	if err != nil {
		t.Fatal(err)
	}
	for n := int(c.Present); ; n += killBatch {
		batch := make([]store.Entry, killBatch)
		for i := range batch {
			batch[i] = entry(n + i)
		}
		if _, err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		fmt.Println("stored", n+killBatch)
	}
}

// registerVar gives the child of TestCollectorsThatWereAcknowledgedSurviveAKill its database.
const registerVar = "SQLITE_KILL_TEST_REGISTRY"

// TestCollectorsThatWereAcknowledgedSurviveAKill: many are stored at once, in transactions that they
// share, and the process is killed in the middle of it.
func TestCollectorsThatWereAcknowledgedSurviveAKill(t *testing.T) {
	if path := os.Getenv(registerVar); path != "" {
		registerUntilKilled(t, path)
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "velador.db")
	acknowledged := make(map[string]bool)
	for round := range 3 {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
		child.Env = append(os.Environ(), registerVar+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		heard := 0
		for lines := bufio.NewScanner(out); lines.Scan(); { // what it said before it died counts too
			if id, found := strings.CutPrefix(lines.Text(), "stored "); found {
				acknowledged[id] = true
				if heard++; heard == 300 {
					if err := child.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		_ = child.Wait() // killed, as it should be
		s := open(t, path)
		rows, err := s.Collectors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stored := make(map[string]bool)
		for _, r := range rows {
			stored[strconv.FormatInt(r.ID, 10)] = true
		}
		for id := range acknowledged {
			if !stored[id] {
				t.Errorf("round %d: collector %s was acknowledged and is not stored", round, id)
			}
		}
		if heard < 300 {
			t.Fatalf("round %d: the child said %d times that it had stored a collector", round, heard)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// registerUntilKilled stores collectors from many sides at once and says which it has stored.
func registerUntilKilled(t *testing.T, path string) {
	s := open(t, path)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var registering sync.WaitGroup
	for i := range 20 {
		registering.Go(func() {
			for n := 0; ; n++ {
				r, err := s.CreateCollector(t.Context(), collector.Record{Spec: collector.Spec{
					Exchange: "binance", Selector: fmt.Sprintf("%d-%d-%d", os.Getpid(), i, n), Timeframe: candle.Minute1,
				}})
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Println("stored", r.ID)
			}
		})
	}
	registering.Wait()
}
