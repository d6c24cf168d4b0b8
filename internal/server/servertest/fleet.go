// Package servertest holds small working parts to run a server over in tests: a fleet, candles and
// logs in memory. They keep the promises of the server's interfaces, and fail when told to.
package servertest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
)

// Host is the machine on which the collectors of a Fleet run.
const Host = "testhost"

// FirstPID is the PID of the first collector that a Fleet starts; each further one has the next.
const FirstPID = 12345

// Fleet starts and stops collectors without processes.
type Fleet struct {
	clock   func() time.Time
	symbols []string

	mu      sync.Mutex
	records []collector.Record
	vitals  map[int64]collector.Vitals
	lives   map[int64][]collector.Life
	deaf    map[int64]error
	failure error
}

// NewFleet makes a fleet on an exchange, binance, that has these symbols.
func NewFleet(clock func() time.Time, symbols ...string) *Fleet {
	return &Fleet{clock: clock, symbols: symbols, vitals: map[int64]collector.Vitals{}, lives: map[int64][]collector.Life{}, deaf: map[int64]error{}}
}

// Fail makes every further call fail with err; nil ends that.
func (f *Fleet) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

// Start keeps a record of a collector that runs.
func (f *Fleet) Start(ctx context.Context, spec collector.Spec) (collector.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.broken(ctx); err != nil {
		return collector.Record{}, err
	}
	if spec.Exchange != "binance" {
		return collector.Record{}, problem.New(problem.Invalid, problem.CodeUnknownExchange, nil, "no such exchange", "exchange", spec.Exchange, "allowed", "binance")
	}
	selector, err := candle.ParseSelector(spec.Selector)
	if err != nil {
		return collector.Record{}, problem.New(problem.Invalid, problem.CodeInvalidSelector, err, "no selector", "detail", err.Error())
	}
	followed, unknown := selector.Resolve(f.symbols)
	if len(unknown) > 0 {
		return collector.Record{}, problem.New(problem.NotFound, problem.CodeUnknownSymbol, nil, "no such symbol", "symbol", unknown[0], "exchange", spec.Exchange)
	}
	if len(followed) == 0 {
		return collector.Record{}, problem.New(problem.NotFound, problem.CodeNoSymbolMatches, nil, "none matches", "selector", spec.Selector, "exchange", spec.Exchange)
	}
	for _, r := range f.records {
		if r.Wanted && r.Spec.Key() == spec.Key() {
			return collector.Record{}, problem.New(problem.Conflict, problem.CodeAlreadyRunning, nil, "runs already",
				"symbol", spec.Selector, "timeframe", spec.Timeframe.String(), "pid", strconv.Itoa(r.PID), "id", strconv.FormatInt(r.ID, 10))
		}
	}
	r := collector.Record{
		ID: int64(len(f.records)) + 1, Spec: spec, Wanted: true, Status: collector.Running,
		Host: Host, StartedAt: f.clock().UTC().Truncate(time.Millisecond),
	}
	r.PID = FirstPID + len(f.records)
	f.records = append(f.records, r)
	return r, nil
}

// Stop ends a collector.
func (f *Fleet) Stop(ctx context.Context, ref collector.Ref) (collector.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.broken(ctx); err != nil {
		return collector.Record{}, err
	}
	for i := range f.records {
		r := &f.records[i]
		if r.Wanted && (r.ID == ref.ID || (ref.ID == 0 && r.PID == ref.PID)) {
			r.Wanted, r.Status, r.StoppedAt = false, collector.Stopped, f.clock().UTC()
			return *r, nil
		}
	}
	return collector.Record{}, notFound()
}

// Restart gives a collector the next life at once, under another PID.
func (f *Fleet) Restart(ctx context.Context, ref collector.Ref) (collector.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.broken(ctx); err != nil {
		return collector.Record{}, err
	}
	for i := range f.records {
		r := &f.records[i]
		if r.Wanted && (r.ID == ref.ID || (ref.ID == 0 && r.PID == ref.PID)) {
			if reason := f.deaf[r.ID]; reason != nil {
				return collector.Record{}, reason
			}
			now := f.clock().UTC()
			f.end(r, collector.Exit{At: now, Known: true, Reason: "restarted on request"})
			r.PID, r.Status, r.StartedAt = FirstPID+1000*r.Restarts, collector.Running, now
			return *r, nil
		}
	}
	return collector.Record{}, notFound()
}

// Deafen keeps a collector from being stopped by StopAll, and from being restarted, for a reason.
func (f *Fleet) Deafen(id int64, reason error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf[id] = reason
}

// StopAll ends all collectors that are wanted and not deaf.
func (f *Fleet) StopAll(ctx context.Context) ([]collector.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.broken(ctx); err != nil {
		return nil, err
	}
	var stopped []collector.Record
	var failures []error
	for i := range f.records {
		r := &f.records[i]
		switch reason := f.deaf[r.ID]; {
		case !r.Wanted:
		case reason != nil:
			failures = append(failures, &collector.StopError{ID: r.ID, Err: reason})
		default:
			r.Wanted, r.Status, r.StoppedAt = false, collector.Stopped, f.clock().UTC()
			stopped = append(stopped, *r)
		}
	}
	return stopped, errors.Join(failures...)
}

// Status lists the collectors that have a process.
func (f *Fleet) Status(ctx context.Context) ([]collector.Live, error) {
	return f.list(ctx, func(live collector.Live) bool { return live.Wanted && live.Alive() })
}

// All lists the collectors that are not over.
func (f *Fleet) All(ctx context.Context) ([]collector.Live, error) {
	return f.list(ctx, func(live collector.Live) bool { return !live.Over() })
}

func (f *Fleet) list(ctx context.Context, belongs func(collector.Live) bool) ([]collector.Live, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.broken(ctx); err != nil {
		return nil, err
	}
	var list []collector.Live
	for _, r := range f.records {
		if live := f.live(r); belongs(live) {
			list = append(list, live)
		}
	}
	return list, nil
}

// live puts together what is known of a record.
func (f *Fleet) live(r collector.Record) collector.Live {
	live := collector.Live{Record: r, Vitals: f.vitals[r.ID]}
	if live.Alive() {
		live.Uptime = f.clock().Sub(r.StartedAt)
	}
	return live
}

// Look gives one collector.
func (f *Fleet) Look(ctx context.Context, id int64) (collector.Live, error) {
	r, err := f.Collector(ctx, id)
	if err != nil {
		return collector.Live{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live(r), nil
}

// Lives gives the newest lives that were told with Ended.
func (f *Fleet) Lives(ctx context.Context, id int64, limit int) ([]collector.Life, error) {
	if _, err := f.Collector(ctx, id); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	lives := slices.Clone(f.lives[id])
	slices.Reverse(lives)
	return lives[:min(limit, len(lives))], nil
}

// Beats says how a collector is from now on.
func (f *Fleet) Beats(id int64, v collector.Vitals) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.vitals[id] = v
}

// Ended ends the life of a collector's process; its next one is due at a time, or, where that is
// zero, has begun.
func (f *Fleet) Ended(id int64, e collector.Exit, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &f.records[slices.IndexFunc(f.records, func(r collector.Record) bool { return r.ID == id })]
	f.end(r, e)
	r.LastError, r.NextAttempt = e.Reason, next
	r.PID, r.Status = 0, collector.Failed
	if next.IsZero() {
		r.PID, r.Status, r.StartedAt = FirstPID+1000*r.Restarts, collector.Running, e.At
	}
}

// end notes the end of a life.
func (f *Fleet) end(r *collector.Record, e collector.Exit) {
	id := r.ID
	f.lives[id] = append(f.lives[id], collector.Life{CollectorID: id, PID: r.PID, Host: r.Host, StartedAt: r.StartedAt, Exit: e})
	delete(f.vitals, id)
	r.LastExit = e
	r.Restarts++
}

// Collector gives one record.
func (f *Fleet) Collector(ctx context.Context, id int64) (collector.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.broken(ctx); err != nil {
		return collector.Record{}, err
	}
	i := slices.IndexFunc(f.records, func(r collector.Record) bool { return r.ID == id })
	if i < 0 {
		return collector.Record{}, notFound()
	}
	return f.records[i], nil
}

func (f *Fleet) broken(ctx context.Context) error {
	if f.failure != nil {
		return f.failure
	}
	return ctx.Err()
}

func notFound() error {
	return problem.New(problem.NotFound, problem.CodeCollectorNotFound, nil, "no such collector")
}

// Since gives the Since of the newest record, for tests of what arrived.
func (f *Fleet) Since() candle.Millis {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.records) == 0 {
		return 0
	}
	return f.records[len(f.records)-1].Spec.Since
}

// Logs keeps lines in memory.
type Logs struct {
	mu    sync.Mutex
	lines map[int64][]string
	ended map[int64]bool
	more  chan struct{} // closed and replaced when something changes
}

// NewLogs makes logs without a line.
func NewLogs() *Logs {
	return &Logs{lines: map[int64][]string{}, ended: map[int64]bool{}, more: make(chan struct{})}
}

// Write adds lines, cut at line ends, to a collector's log.
func (l *Logs) Write(id int64, text string) {
	l.change(func() { l.lines[id] = append(l.lines[id], strings.Split(text, "\n")...) })
}

// End says that a collector will say no more.
func (l *Logs) End(id int64) { l.change(func() { l.ended[id] = true }) }

func (l *Logs) change(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
	close(l.more)
	l.more = make(chan struct{})
}

// Tail gives the newest lines.
func (l *Logs) Tail(_ context.Context, id int64, n int) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, ok := l.lines[id]
	if !ok {
		return nil, notFound()
	}
	return slices.Clone(lines[max(0, len(lines)-n):]), nil
}

// Follow gives the newest lines and each further one.
func (l *Logs) Follow(ctx context.Context, id int64, n int, yield func(string) error) error {
	next := -1
	for {
		l.mu.Lock()
		if next < 0 {
			next = max(0, len(l.lines[id])-n)
		}
		lines, ended, more := slices.Clone(l.lines[id][next:]), l.ended[id], l.more
		l.mu.Unlock()
		for _, line := range lines {
			if err := yield(line); err != nil {
				return err
			}
		}
		next += len(lines)
		if ended {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
