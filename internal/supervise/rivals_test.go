package supervise

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/store"
)

func TestOfAHundredStartsOnTwoServersOneWins(t *testing.T) {
	t.Parallel()
	for name, databases := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sites := twoSites(t, databases)
			var (
				racing  sync.WaitGroup
				mu      sync.Mutex
				winners []collector.Record
				losers  []error
			)
			for i := range 100 {
				racing.Go(func() {
					row, err := sites[i%2].fleet.Start(within(t), spec("QUIET"))
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						losers = append(losers, err)
					} else {
						winners = append(winners, row)
					}
				})
			}
			racing.Wait()
			if len(winners) != 1 || len(losers) != 99 {
				t.Fatalf("%d winners, errors %v", len(winners), losers)
			}
			for _, err := range losers {
				p := wantProblem(t, err, problem.Conflict, problem.CodeAlreadyRunning)
				if p.Params["pid"] != fmt.Sprint(winners[0].PID) || p.Params["id"] != assignmentID(winners[0].ID) {
					t.Fatalf("a loser hears of %v, the winner is %+v", p.Params, winners[0])
				}
			}
			rows, err := sites[0].registry.Collectors(within(t))
			if err != nil || len(rows) != 1 || !alive(rows[0]) {
				t.Errorf("rows %+v, error %v", rows, err)
			}
		})
	}
}

func TestOfOverlappingStartsOnTwoServersAtMostOneStays(t *testing.T) {
	t.Parallel()
	for name, databases := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sites := twoSites(t, databases)
			for range 4 {
				selectors := [2][]string{{"ETHUSDT,BTCUSDT", "BTCEUR"}, {"*USDT", "BTC*"}}
				var racing sync.WaitGroup
				for i, s := range sites {
					for _, selector := range selectors[i] {
						racing.Go(func() {
							if _, err := s.fleet.Start(within(t), spec(selector)); err != nil && problem.CodeOf(err) != problem.CodeAlreadyRunning {
								t.Errorf("start %s: %v", selector, err)
							}
						})
					}
				}
				racing.Wait()
				rows, err := sites[0].registry.Collectors(within(t))
				if err != nil {
					t.Fatal(err)
				}
				wanted := 0
				for _, row := range rows {
					switch {
					case row.Wanted:
						wanted++
						if !alive(row) {
							t.Errorf("the winner does not run: %+v", row)
						}
					case !row.Over() || row.RunID == "" && row.LastError == "":
						t.Errorf("a loser left %+v", row)
					}
				}
				if wanted == 0 {
					t.Error("none of the rivals stayed")
				}
				onePerSymbol(t, rows)
				for _, s := range sites {
					if _, err := s.fleet.StopAll(within(t)); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func onePerSymbol(t *testing.T, rows []collector.Record) {
	t.Helper()
	symbols, err := catalogue{}.Symbols(within(t), "binance")
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range symbols {
		var by []int64
		for _, row := range rows {
			if selector, err := candle.ParseSelector(row.Spec.Selector); err == nil && row.Wanted && selector.Match(symbol) {
				by = append(by, row.ID)
			}
		}
		if len(by) > 1 {
			t.Errorf("%s is collected by %v", symbol, by)
		}
	}
}

func TestTheOlderOfTwoRivalsStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, nil)
	symbols := []string{"ETHUSDT", "BTCUSDT"}
	older, err := s.registry.CreateCollector(within(t), collector.Record{Spec: spec("*USDT"), StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	younger, err := s.registry.CreateCollector(within(t), collector.Record{Spec: spec("ETHUSDT"), StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	// The older one cannot know whether the younger one has seen it, and waits.
	var contending sync.WaitGroup
	contending.Go(func() {
		if err := s.fleet.contend(within(t), older, symbols, 0); err != nil {
			t.Errorf("the older one: %v", err)
		}
	})
	var exists *store.ExistsError
	if err := s.fleet.contend(within(t), younger, symbols[:1], 0); !errors.As(err, &exists) || exists.Record.ID != older.ID {
		t.Errorf("the younger one: %v", err)
	}
	contending.Wait()
	if row := s.row(younger.ID); !row.Over() || row.LastError == "" {
		t.Errorf("the younger one is %+v", row)
	}
	if row := s.row(older.ID); row != older {
		t.Errorf("the older one is %+v", row)
	}
}

func TestOlderRivalGivesWayToOneThatRunsAlready(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, nil)
	older, err := s.registry.CreateCollector(within(t), collector.Record{Spec: spec("ETHUSDT"), StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	younger := s.elsewhere("*USDT", "elsewhere", 77) // its server had looked before the older row was to be seen
	var exists *store.ExistsError
	if err := s.fleet.contend(within(t), older, []string{"ETHUSDT"}, 0); !errors.As(err, &exists) || exists.Record.ID != younger.ID {
		t.Errorf("the older one: %v", err)
	}
	if row := s.row(older.ID); !row.Over() {
		t.Errorf("the older one is %+v", row)
	}
}
