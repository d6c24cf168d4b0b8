package storetest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/store"
)

// browse reads all pages of a selection.
func browse(t *testing.T, s store.Store, q store.Browse) [][]any {
	t.Helper()
	var all [][]any
	for page := 0; ; page++ {
		p, err := s.Browse(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		if len(p.Rows) > q.Limit || (p.Next != nil && len(p.Rows) != q.Limit) || page > 1000 {
			t.Fatalf("%+v: page %d has %d rows, and next %v", q, page, len(p.Rows), p.Next)
		}
		all = append(all, p.Rows...)
		if q.After = p.Next; p.Next == nil {
			return all
		}
	}
}

// column gives the values of one column.
func column(t *testing.T, table store.Table, rows [][]any, name string) []any {
	t.Helper()
	i := slices.IndexFunc(table.Columns(), func(c store.Column) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("%s has no column %s", table, name)
	}
	values := make([]any, len(rows))
	for k, row := range rows {
		values[k] = row[i]
	}
	return values
}

func wantColumn(t *testing.T, s store.Store, q store.Browse, name string, want ...any) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 2
	}
	if got := column(t, q.Table, browse(t, s, q), name); !slices.Equal(got, want) {
		t.Errorf("%+v gives %s %v, want %v", q, name, got, want)
	}
}

// shelf fills a store with a little of everything.
func shelf(t *testing.T, s store.Store) (ids []any) {
	t.Helper()
	for i, selector := range []string{"ETHUSDT", "btcusdt", "ÑANDÚ", strings.Repeat("LONG", 60)} {
		r := create(t, s, selector)
		r.PID, r.StartedAt = 500+i%2, started.Add(time.Duration(i)*time.Hour)
		if i == 1 {
			r.Status, r.LastError = collector.Failed, "it fell"
			r.LastExit = collector.Exit{At: started.Add(time.Minute), Known: true, Signal: 9, Reason: "killed"}
		}
		if r = update(t, s, r); i == 2 {
			stop(t, s, r, started.Add(5*time.Hour))
		}
		ids = append(ids, r.ID)
	}
	var gaps []store.Entry
	var candles []store.Entry
	for i, tf := range []candle.Timeframe{candle.Month1, candle.Minute1, candle.Hour1} {
		series := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: tf}
		candles = append(candles, opens(series, base, base+candle.Millis(i+1)*400*24*60*minute)...)
		for k, state := range []candle.GapState{candle.GapOpen, candle.GapAbsent, candle.GapRepaired, candle.GapOpen}[:i+1] {
			from := base + candle.Millis(k)*1000*minute
			g := gap(series, from, from+candle.Millis(i)*minute, state)
			g.Proofs, g.CheckedAt = k, candle.Millis(k)*base
			gaps = append(gaps, gapEntries(g)...)
		}
	}
	other := candle.Series{Exchange: "bybit", Symbol: "ethbtc", Timeframe: candle.Minute1}
	gaps = append(gaps, gapEntries(gap(other, base, base, candle.GapOpen))...)
	if _, err := s.Write(t.Context(), append(candles, gaps...)); err != nil {
		t.Fatal(err)
	}
	return ids
}

var browseTests = []test{
	{name: "BrowsingShowsStoppedCollectorsToo", run: func(t *testing.T, s store.Store) {
		ids := shelf(t, s)
		q := store.Browse{Table: store.TableCollectors}
		wantColumn(t, s, q, "id", ids...)
		wantColumn(t, s, q, "status", "running", "error", "stopped", "running")
		wantColumn(t, s, q, "wanted", true, true, false, true)
		wantColumn(t, s, q, "pid", int64(500), int64(501), int64(500), int64(501))
		wantColumn(t, s, q, "stoppedAt", nil, nil, started.Add(5*time.Hour).UnixMilli(), nil)
		wantColumn(t, s, q, "startedAt", started.UnixMilli(), started.Add(time.Hour).UnixMilli(), started.Add(2*time.Hour).UnixMilli(), started.Add(3*time.Hour).UnixMilli())
		wantColumn(t, s, q, "lastExitSignal", nil, int64(9), nil, nil)
		wantColumn(t, s, q, "lastExitAt", nil, started.Add(time.Minute).UnixMilli(), nil, nil)
		wantColumn(t, s, q, "since", int64(1_700_000_000_000), int64(1_700_000_000_000), int64(1_700_000_000_000), int64(1_700_000_000_000))
		q.Sort = "symbol" // byte by byte
		wantColumn(t, s, q, "id", ids[0], ids[3], ids[1], ids[2])
		q.Descending = true
		wantColumn(t, s, q, "id", ids[2], ids[1], ids[3], ids[0])
		wantColumn(t, s, store.Browse{Table: store.TableCollectors, State: "running"}, "id", ids[0], ids[3])
		wantColumn(t, s, store.Browse{Table: store.TableCollectors, Symbol: "btcusdt"}, "id", ids[1])
		wantColumn(t, s, store.Browse{Table: store.TableCollectors, Search: "uSd"}, "id", ids[0], ids[1])
		wantColumn(t, s, store.Browse{Table: store.TableCollectors, Search: "%"}, "id")
		hour := candle.MillisOf(started.Add(time.Hour))
		wantColumn(t, s, store.Browse{Table: store.TableCollectors, Range: candle.Range{From: hour, To: hour}}, "id", ids[1])
		wantColumn(t, s, store.Browse{Table: store.TableCollectors, Exchange: "bybit"}, "id")
	}},
	{name: "BrowsingCountsTheGapsOfEachSeries", run: func(t *testing.T, s store.Store) {
		shelf(t, s)
		q := store.Browse{Table: store.TableSeries}
		day400 := 400 * 24 * 60 * minute
		want := [][]any{ // timeframes by their length
			{"binance", "ETHUSDT", "1m", int64(base), int64(base + 2*day400), int64(1), int64(1)},
			{"binance", "ETHUSDT", "1h", int64(base), int64(base + 3*day400), int64(1), int64(1)},
			{"binance", "ETHUSDT", "1M", int64(base), int64(base + day400), int64(1), int64(0)},
			{"bybit", "ethbtc", "1m", nil, nil, int64(1), int64(0)},
		}
		for limit := 1; limit < 6; limit++ {
			q.Limit = limit
			if got := browse(t, s, q); !reflect.DeepEqual(got, want) {
				t.Errorf("in pages of %d:\n%v, want\n%v", limit, got, want)
			}
		}
		q = store.Browse{Table: store.TableSeries, Sort: "first"}
		wantColumn(t, s, q, "timeframe", "1m", "1m", "1h", "1M") // none before all
		q.Sort = "timeframe"
		wantColumn(t, s, q, "exchange", "binance", "bybit", "binance", "binance")
		wantColumn(t, s, store.Browse{Table: store.TableSeries, Timeframe: "1M"}, "timeframe", "1M")
		wantColumn(t, s, store.Browse{Table: store.TableSeries, Search: "BTC"}, "symbol", "ethbtc")
	}},
	{name: "BrowsingGivesTheLedger", run: func(t *testing.T, s store.Store) {
		shelf(t, s)
		q := store.Browse{Table: store.TableGaps, Limit: 100}
		want := [][]any{
			{"binance", "ETHUSDT", "1m", int64(base), int64(base + minute), "open", int64(0), nil},
			{"binance", "ETHUSDT", "1m", int64(base + 1000*minute), int64(base + 1001*minute), "absent", int64(1), int64(base)},
			{"binance", "ETHUSDT", "1h", int64(base), int64(base + 2*minute), "open", int64(0), nil},
			{"binance", "ETHUSDT", "1h", int64(base + 1000*minute), int64(base + 1002*minute), "absent", int64(1), int64(base)},
			{"binance", "ETHUSDT", "1h", int64(base + 2000*minute), int64(base + 2002*minute), "repaired", int64(2), int64(2 * base)},
			{"binance", "ETHUSDT", "1M", int64(base), int64(base), "open", int64(0), nil},
			{"bybit", "ethbtc", "1m", int64(base), int64(base), "open", int64(0), nil},
		}
		if got := browse(t, s, q); !reflect.DeepEqual(got, want) {
			t.Errorf("the ledger is\n%v, want\n%v", got, want)
		}
		touching := store.Browse{Table: store.TableGaps, Range: candle.Range{From: base + 1001*minute, To: base + 2000*minute}}
		wantColumn(t, s, touching, "state", "absent", "absent", "repaired")
		wantColumn(t, s, store.Browse{Table: store.TableGaps, State: "repaired"}, "proofs", int64(2))
		wantColumn(t, s, store.Browse{Table: store.TableGaps, Exchange: "binance", Symbol: "ETHUSDT", Timeframe: "1h", Sort: "to", Descending: true},
			"state", "repaired", "absent", "open")
	}},
	{name: "PagesOfEverySortHoldEveryRowOnce", run: func(t *testing.T, s store.Store) {
		shelf(t, s)
		for _, table := range []store.Table{store.TableCollectors, store.TableSeries, store.TableGaps} {
			whole := browse(t, s, store.Browse{Table: table, Limit: 100})
			for _, c := range table.Columns() {
				up := browse(t, s, store.Browse{Table: table, Sort: c.Name, Limit: 2})
				down := browse(t, s, store.Browse{Table: table, Sort: c.Name, Descending: true, Limit: 3})
				slices.Reverse(down)
				if !reflect.DeepEqual(up, down) {
					t.Errorf("%s by %s: up\n%v, and down turned round\n%v", table, c.Name, up, down)
				}
				byText := func(a, b []any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
				if got, want := slices.SortedFunc(slices.Values(up), byText), slices.SortedFunc(slices.Values(whole), byText); !reflect.DeepEqual(got, want) {
					t.Errorf("%s by %s: %d rows of %d", table, c.Name, len(got), len(want))
				}
			}
		}
	}},
	{name: "APageBeginsWhereTheOneBeforeEndedWhateverCameMeanwhile", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		var gaps []candle.Gap
		for i := range 6 {
			gaps = append(gaps, gap(series, base+candle.Millis(10*i)*minute, base+candle.Millis(10*i)*minute, candle.GapOpen))
		}
		write(t, s, store.Written{}, gapEntries(gaps...)...)
		q := store.Browse{Table: store.TableGaps, Limit: 3}
		first, err := s.Browse(t.Context(), q)
		if err != nil || len(first.Rows) != 3 {
			t.Fatalf("%v, %v", first, err)
		}
		write(t, s, store.Written{}, gapEntries(gap(series, base-minute, base-minute, candle.GapOpen), gap(series, base+25*minute, base+25*minute, candle.GapOpen))...)
		q.After = first.Next
		wantColumn(t, s, q, "from", int64(base+25*minute), int64(base+30*minute), int64(base+40*minute), int64(base+50*minute))
	}},
	{name: "ImpossibleSelectionsAreRefused", run: func(t *testing.T, s store.Store) {
		for _, q := range []store.Browse{
			{Table: "candles", Limit: 1}, {Table: store.TableGaps}, {Table: store.TableGaps, Sort: "1; DROP TABLE gaps", Limit: 1},
			{Table: store.TableGaps, After: []any{"x"}, Limit: 1}, {Table: store.TableGaps, After: []any{"a", "b", "c", int64(1)}, Limit: 1},
			{Table: store.TableSeries, State: "open", Limit: 1}, {Table: store.TableSeries, Range: candle.Range{From: 1, To: 2}, Limit: 1},
			{Table: store.TableGaps, Symbol: "a\x00b", Limit: 1}, {Table: store.TableGaps, Search: "\xff", Limit: 1},
			{Table: store.TableGaps, After: []any{"a\x00", "b", int64(1), int64(1)}, Limit: 1}, {Table: store.TableCollectors, After: []any{nil}, Limit: 1},
		} {
			if p, err := s.Browse(t.Context(), q); problem.KindOf(err) != problem.Invalid {
				t.Errorf("%+v gives %v, %v", q, p, err)
			}
		}
	}},
}
