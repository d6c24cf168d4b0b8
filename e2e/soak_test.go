package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/store/postgres/pgtest"
)

// The variables of the schedule test.
const (
	seedVar      = "VELADOR_SEED"       // the first seed; 1
	schedulesVar = "VELADOR_SCHEDULES"  // how many seeds from there on, for each database; 1
	databaseVar  = "VELADOR_SOAK_DB"    // sqlite or postgres; both
	speedVar     = "VELADOR_SOAK_SPEED" // how much faster than the wall the market runs
)

// The recording's week (shared/data/MANIFEST.md), open times of its 1m candles.
const (
	recordedFrom candle.Millis = 1618790400000 // 2021-04-19T00:00:00Z
	recordedTo   candle.Millis = 1619395140000 // 2021-04-25T23:59:00Z
)

// settleWithin bounds what a site may take to be whole after the last fault, of our time: a restart
// and a connection may have to wait for half a minute each by then.
const settleWithin = slack * 3 * time.Minute

// TestFaultSchedule lets the market of a day go by at hundreds of times its speed, while connections,
// answers, processes and the database fail as a seed decides, and then finds in the database what the
// exchange has recorded: every candle, once, digit for digit. No limit of the exchange was broken.
//
// VELADOR_SEED=7 repeats the schedule of seed 7; what the machine does at which moment, it does not.
func TestFaultSchedule(t *testing.T) {
	t.Parallel()
	dir := recordings(t)
	if raceEnabled {
		t.Skip("a schedule needs the speed that the race detector takes; the packages' own tests have it")
	}
	first, many := uint64(number(t, seedVar, 1)), number(t, schedulesVar, 1)
	speed := float64(number(t, speedVar, 1200))
	found := &tally{done: make(map[string]int), intended: make(map[string]int), struck: make(map[string]int64)}
	begun := time.Now()
	t.Run("databases", func(t *testing.T) {
		for _, database := range []string{"sqlite", "postgres"} {
			if only := os.Getenv(databaseVar); only != "" && only != database {
				continue
			}
			t.Run(database, func(t *testing.T) {
				t.Parallel()
				clusters := &clusters{t: t}
				for seed := first; seed < first+uint64(many); seed++ {
					t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
						t.Parallel()
						var cluster *pgtest.Server
						if database == "postgres" {
							cluster = clusters.take()
							t.Cleanup(func() { clusters.give(cluster) }) // after all other clean-ups
						}
						plan := scopeOf(t, dir, cluster != nil).draw(seed)
						found.meant(plan)
						found.add(endure(t, plan, dir, speed, cluster))
					})
				}
			})
		}
	})
	if many >= enough {
		for _, kind := range found.harmless() {
			t.Errorf("%s was meant to strike, and never did", kind)
		}
	}
	if many > 1 {
		fmt.Printf("%s, %s of wall time\n", found, time.Since(begun).Round(time.Second))
	}
}

// endure runs one schedule to its end.
func endure(t *testing.T, plan schedule, dir string, speed float64, cluster *pgtest.Server) result {
	t.Helper()
	database := "sqlite"
	if cluster != nil {
		database = "postgres"
	}
	defer func() {
		if t.Failed() {
			t.Logf("%s\nTo repeat it: %s=%d %s=1 %s=%s %s=%v go test ./e2e -run '^TestFaultSchedule$' -count=1 -v", plan,
				seedVar, plan.seed, schedulesVar, databaseVar, database, speedVar, speed)
		}
	}()
	begun := time.Now()
	w := newWorld(t, plan, dir, speed, cluster)
	for _, h := range plan.happenings {
		w.await(h.at, speed)
		w.befall(h)
	}
	w.await(plan.day.To.Add(time.Minute), speed)
	if status, _, text := call(t, "DELETE", w.site.exchange.url+"/control/faults", ""); status != 200 {
		t.Fatalf("the faults cannot be cleared: %d %s", status, text)
	}
	// Gaps are proved by the exchange's clock: it must go on, and has a few hours left.
	w.control("POST", "clock", map[string]any{"do": "speed", "speed": 300})
	calm := time.Now()
	w.settle(dir, settleWithin)
	settled := time.Since(calm)
	counted := w.limits()
	r := result{schedules: 1, happened: len(plan.happenings), done: w.done, struck: counted.Struck}
	r.checked, r.lost, r.doubled = w.compare(dir)
	w.server.stop()
	strikes := int64(0)
	for _, n := range counted.Struck {
		strikes += n
	}
	t.Logf("seed %d on %s: %d happenings and %d strikes of the exchange survived, %d candles of %d processes checked, %d lost, %d doubled; %d requests, %d connections, at most %d of weight in a minute, %d requests into a ban; %s, of which %s to settle",
		plan.seed, database, r.happened, strikes, r.checked, len(plan.collectors), r.lost, r.doubled,
		counted.Requests["/api/v3/klines"], counted.Upgrades, counted.PeakWeight, counted.WhileBanned,
		time.Since(begun).Round(100*time.Millisecond), settled.Round(100*time.Millisecond))
	return r
}

// scopeOf says what schedules are drawn from: a whole day, or a few hours with -short.
func scopeOf(t *testing.T, dir string, postgres bool) scope {
	t.Helper()
	s := scope{symbols: recordedSymbols(t, dir), recorded: candle.Range{From: recordedFrom, To: recordedTo},
		day: 24 * time.Hour, before: 8 * time.Hour, count: 20, deeds: deeds(postgres)}
	if testing.Short() {
		s.day, s.before, s.count = 8*time.Hour, 4*time.Hour, 8
	}
	return s
}

// recordedSymbols lists the markets of the recorded week.
func recordedSymbols(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "wide-2021-04", "*_USDT-1m.json.gz"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recordings of 1m: %v", len(files), err)
	}
	var symbols []string
	for _, path := range files {
		symbols = append(symbols, strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), "-1m.json.gz"), "_", ""))
	}
	slices.Sort(symbols)
	return symbols
}

// number reads a variable.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number from 1 on", name, text)
	}
	return n
}

// clusters are PostgreSQL servers, each of which one schedule at a time may stop and pause.
type clusters struct {
	t    *testing.T // of all that use them
	mu   sync.Mutex
	free []*pgtest.Server
}

func (c *clusters) take() *pgtest.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.free); n > 0 {
		cluster := c.free[n-1]
		c.free = c.free[:n-1]
		return cluster
	}
	return pgtest.Start(c.t, pgtest.Config{})
}

func (c *clusters) give(cluster *pgtest.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, cluster)
}

// result is what one schedule, or several, came to.
type result struct {
	schedules, happened    int
	checked, lost, doubled int
	done                   map[string]int
	struck                 map[string]int64
}

// enough is how many schedules hold every fault, and have every one of them strike.
const enough = 100

// tally adds results up.
type tally struct {
	mu       sync.Mutex
	all      result
	done     map[string]int
	intended map[string]int // faults of the exchange in the plans, by kind
	struck   map[string]int64
}

// meant notes what a plan has the exchange do.
func (s *tally) meant(plan schedule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range plan.happenings {
		for _, f := range h.faults {
			s.intended[string(f.Kind)]++
		}
	}
}

// harmless gives the faults that were meant to strike and did not, in any schedule.
func (s *tally) harmless() (kinds []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for kind := range s.intended {
		if s.struck[kind] == 0 {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

func (s *tally) add(r result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.schedules += r.schedules
	s.all.happened += r.happened
	s.all.checked += r.checked
	s.all.lost += r.lost
	s.all.doubled += r.doubled
	for what, n := range r.done {
		s.done[what] += n
	}
	for kind, n := range r.struck {
		s.struck[kind] += n
	}
}

// String is the summary of a run.
func (s *tally) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s.done)) {
		fmt.Fprintf(&text, "%8d %s\n", s.done[what], what)
	}
	text.WriteString("of which the exchange's faults struck\n")
	for _, kind := range slices.Sorted(maps.Keys(s.struck)) {
		fmt.Fprintf(&text, "%8d %s\n", s.struck[kind], kind)
	}
	fmt.Fprintf(&text, "%d schedules, %d happenings survived, %d candles checked, %d lost, %d doubled", s.all.schedules, s.all.happened, s.all.checked, s.all.lost, s.all.doubled)
	return text.String()
}
