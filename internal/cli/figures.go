package cli

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"velador/api"
	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/ingest"
	"velador/internal/metrics"
	"velador/internal/proc"
	"velador/internal/store"
)

const (
	// figuresAge is for how long what was asked of the database, the bus and the fleet is believed:
	// scrapes, pages and commands that come at the same time share one question.
	figuresAge = 2 * time.Second
	// figuresPatience bounds each question.
	figuresPatience = 2 * time.Second
	// rateOver is how much of the past the rate of the writer looks at, at least.
	rateOver = 10 * time.Second
)

// figures says how the machinery is: for Prometheus and for GET /api/system, out of one look, so that
// they cannot disagree.
type figures struct {
	kind     string // of the database
	version  string
	started  time.Time
	database store.Stocktaker
	bus      *bus.Conn
	writer   *ingest.Writer
	fleet    metrics.Fleet
	brokers  map[string]*exchange.Broker

	mu    sync.Mutex // of what follows; a look is under it
	last  look
	rates []rate // oldest first
}

// look is what was found out at one moment; what is nil was not.
type look struct {
	at         time.Time
	stock      *store.Stock
	stockErr   error
	waiting    *bus.Waiting
	waitingErr error
	stats      ingest.Stats
	perSecond  float64
	collectors *api.SystemCollector
	rss        *int64
}

// rate is how many candles were written at a moment.
type rate struct {
	at      time.Time
	candles int64
}

// look finds out, or gives what was found out a moment ago.
func (f *figures) look(ctx context.Context) look {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Sub(f.last.at) < figuresAge {
		return f.last
	}
	found := look{at: now, stats: f.writer.Stats()}
	// One caller's going away must not spoil what others are given.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), figuresPatience)
	defer cancel()
	var asking sync.WaitGroup
	asking.Go(func() {
		if stock, err := f.database.Stock(ctx); err == nil {
			found.stock = &stock
		} else {
			found.stockErr = err
		}
	})
	asking.Go(func() {
		if waiting, err := f.bus.Waiting(ctx); err == nil {
			found.waiting = &waiting
		} else {
			found.waitingErr = err
		}
	})
	asking.Go(func() {
		list, err := f.fleet.All(ctx)
		if err != nil {
			return // velador_fleet_up and the list itself tell
		}
		var counts api.SystemCollector
		for i := range list {
			switch list[i].Status {
			case collector.Running:
				counts.Running++
			case collector.Failed:
				counts.Failed++
			default:
				counts.Stopped++
			}
		}
		found.collectors = &counts
	})
	asking.Wait()
	if rss, ok := proc.OwnMemory(); ok {
		found.rss = &rss
	}
	found.perSecond = f.rate(rate{now, found.stats.New + found.stats.Changed + found.stats.Same})
	f.last = found
	return found
}

// rate notes how many candles were written, and gives how many a second were lately.
func (f *figures) rate(now rate) float64 {
	f.rates = append(f.rates, now)
	for len(f.rates) > 2 && now.at.Sub(f.rates[1].at) >= rateOver {
		f.rates = f.rates[1:]
	}
	first := f.rates[0]
	if passed := now.at.Sub(first.at).Seconds(); passed > 0 {
		return float64(now.candles-first.candles) / passed
	}
	return 0
}

// system is GET /api/system.
func (f *figures) system(ctx context.Context) (api.SystemAnswer, error) {
	l := f.look(ctx)
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	answer := api.SystemAnswer{
		Version: f.version, Go: runtime.Version(), StartedAt: api.Time{Time: f.started}, Uptime: int64(time.Since(f.started).Seconds()),
		Memory:   api.SystemMemory{RSS: l.rss, Heap: int64(heap.HeapAlloc)},
		Database: api.SystemDatabase{Kind: f.kind, Up: l.stock != nil},
		Bus:      api.SystemBus{Connected: f.bus.Connected()},
		Writer: api.SystemWriter{
			Batches: l.stats.Batches, New: l.stats.New, Same: l.stats.Same, Changed: l.stats.Changed, Gaps: l.stats.Gaps,
			Open: l.stats.GapsOpen, Absent: l.stats.GapsAbsent, Repaired: l.stats.GapsRepaired, Audits: l.stats.Audits,
			Vanished: l.stats.Vanished, Rejected: l.stats.Rejected, PerSecond: l.perSecond, Failing: l.stats.Failing, Lag: lagOf(l.stats.Waits),
		},
		Collectors: l.collectors, Budgets: []api.SystemBudget{},
	}
	if l.stats.Fresh.Max > 0 {
		fresh := lagOf(l.stats.Fresh)
		answer.Writer.CloseLag = &fresh
	}
	if l.stock != nil {
		answer.Database.Bytes = &l.stock.Bytes
		answer.Gaps = &api.SystemGaps{Open: l.stock.Gaps[candle.GapOpen], Absent: l.stock.Gaps[candle.GapAbsent], Repaired: l.stock.Gaps[candle.GapRepaired]}
	}
	if w := l.waiting; w != nil {
		pending, unacknowledged, bytes := int64(w.Messages), int64(w.Unacknowledged), int64(w.Bytes)
		answer.Bus.Pending, answer.Bus.Unacknowledged, answer.Bus.Bytes = &pending, &unacknowledged, &bytes
		if !w.Oldest.IsZero() {
			oldest := max(0, l.at.Sub(w.Oldest)).Seconds()
			answer.Bus.OldestSeconds = &oldest
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.brokers)) {
		u := f.brokers[name].Usage()
		budget := api.SystemBudget{Exchange: name, Used: u.Used, Limit: u.Limit, WindowSeconds: int(u.Window.Seconds()), Waiting: u.Waiting, Sharers: u.Sharers}
		if !u.BannedUntil.IsZero() {
			until := u.BannedUntil.UnixMilli()
			budget.BannedUntil = &until
		}
		answer.Budgets = append(answer.Budgets, budget)
	}
	return answer, nil
}

func lagOf(l ingest.Lag) api.Lag {
	return api.Lag{P50: l.P50.Seconds(), P99: l.P99.Seconds(), Max: l.Max.Seconds()}
}

// Figures writes the same for Prometheus.
func (f *figures) Figures(ctx context.Context, page *metrics.Page) error {
	l := f.look(ctx)
	up := 0.0
	if l.stock != nil {
		up = 1
		page.Gauge("database_bytes", "That the database takes on the disk.").Sample(float64(l.stock.Bytes))
		gaps := page.Gauge("gaps", "Gaps in the ledger, by state.", "state")
		for _, state := range []candle.GapState{candle.GapOpen, candle.GapAbsent, candle.GapRepaired} {
			gaps.Sample(float64(l.stock.Gaps[state]), string(state))
		}
	}
	page.Gauge("database_up", "1 while the database answers.", "kind").Sample(up, f.kind)
	f.showWriter(page, l.stats)
	f.showBus(page, l)
	f.showBudgets(page)
	return nil // what is away has its own figure, and a line in the log of whoever needs it
}

func (f *figures) showWriter(page *metrics.Page, s ingest.Stats) {
	for _, c := range []struct {
		name, help string
		value      int64
	}{
		{"writer_batches_total", "Committed transactions.", s.Batches},
		{"writer_corrections_total", "Stored candles that were replaced by other values: the exchange's history says something else than its stream.", s.Changed},
		{"writer_kept_total", "Stored candles that stayed though others came: the exchange's history has confirmed them, and what came may be older.", s.Kept},
		{"writer_audits_total", "Audits that confirmed candles.", s.Audits},
		{"writer_vanished_total", "Stored candles that an audit did not find at the exchange; they are kept.", s.Vanished},
		{"writer_unconfirmed_total", "Audits that did not fit what is stored, and confirmed nothing.", s.Unconfirmed},
		{"writer_rejected_total", "Messages taken out of the stream because nobody can store them.", s.Rejected},
		{"writer_failures_total", "Attempts to write that failed.", s.Failures},
	} {
		page.Counter(c.name, c.help).Sample(float64(c.value))
	}
	candles := page.Counter("writer_candles_total", "Candles committed: new ones, those stored with the same values already, and corrections.", "was")
	candles.Sample(float64(s.New), "new")
	candles.Sample(float64(s.Same), "same")
	candles.Sample(float64(s.Changed), "changed")
	gaps := page.Counter("writer_gaps_total", "Messages about gaps, by what they say: opened, repaired, or proved absent at the source.", "state")
	gaps.Sample(float64(s.GapsOpen), string(candle.GapOpen))
	gaps.Sample(float64(s.GapsRepaired), string(candle.GapRepaired))
	gaps.Sample(float64(s.GapsAbsent), string(candle.GapAbsent))
	failing := 0.0
	if s.Failing != "" {
		failing = 1
	}
	page.Gauge("writer_failing", "1 while the database takes nothing.").Sample(failing)
	bounds := ingest.LagBounds()
	page.Histogram("writer_wait_seconds", "From a message's arrival on the bus to its commit.", bounds).Sample(s.Waits.Counts, s.Waits.Sum.Seconds())
	page.Histogram("candle_commit_lag_seconds", "From a candle's close to its commit, by this machine's clock, of those that came alone and within five minutes: not of history.", bounds).
		Sample(s.Fresh.Counts, s.Fresh.Sum.Seconds())
}

func (f *figures) showBus(page *metrics.Page, l look) {
	connected := 0.0
	if f.bus.Connected() {
		connected = 1
	}
	page.Gauge("bus_up", "1 while the server is connected to the bus.").Sample(connected)
	if l.waiting == nil {
		return
	}
	page.Gauge("bus_pending_messages", "Messages that are on their way to the database.").Sample(float64(l.waiting.Messages))
	page.Gauge("bus_unacknowledged_messages", "Of them, those that a writer has in hand.").Sample(float64(l.waiting.Unacknowledged))
	page.Gauge("bus_pending_bytes", "That they take on the disk.").Sample(float64(l.waiting.Bytes))
	oldest := 0.0
	if !l.waiting.Oldest.IsZero() {
		oldest = max(0, l.at.Sub(l.waiting.Oldest)).Seconds()
	}
	page.Gauge("bus_oldest_seconds", "How long the oldest of them has waited; 0 when none waits.").Sample(oldest)
}

func (f *figures) showBudgets(page *metrics.Page) {
	used := page.Gauge("exchange_weight_used", "Request weight spent in the exchange's window that runs.", "exchange")
	limit := page.Gauge("exchange_weight_limit", "Request weight that the exchange allows in a window.", "exchange")
	waiting := page.Gauge("exchange_requests_waiting", "Requests and connection attempts in line for the budget.", "exchange")
	banned := page.Gauge("exchange_banned_seconds", "How long the exchange will still refuse every request; 0 when it does not.", "exchange")
	for _, name := range slices.Sorted(maps.Keys(f.brokers)) {
		u := f.brokers[name].Usage()
		used.Sample(float64(u.Used), name)
		limit.Sample(float64(u.Limit), name)
		waiting.Sample(float64(u.Waiting), name)
		left := 0.0
		if !u.BannedUntil.IsZero() {
			left = max(0, time.Until(u.BannedUntil).Seconds())
		}
		banned.Sample(left, name)
	}
}
