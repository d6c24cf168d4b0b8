package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testSeries = candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}

// testCandle gives the n-th candle of a series.
func testCandle(n int) candle.Candle {
	price := candle.MustDecimal(fmt.Sprintf("%d.50", 2000+n))
	open := candle.Millis(1_700_000_000_000 + int64(n)*60_000)
	return candle.Candle{
		OpenTime: open, CloseTime: open + 59_999, Open: price, High: price, Low: price, Close: price,
		Volume: candle.MustDecimal("1"), Trades: int64(n),
	}
}

// memory is a store of candles that can be made to fail.
type memory struct {
	mu      sync.Mutex
	rows    map[candle.Series]map[candle.Millis]candle.Candle
	gaps    map[candle.Millis]candle.Gap
	audited candle.Range              // of testSeries; zero before the first audit
	refuse  func([]store.Entry) error // asked before each write, when set
	refused chan struct{}             // gets a token for each refused write, as long as there is room
}

func newMemory() *memory {
	return &memory{
		rows: make(map[candle.Series]map[candle.Millis]candle.Candle), gaps: make(map[candle.Millis]candle.Gap),
		refused: make(chan struct{}, 100),
	}
}

func (m *memory) Write(ctx context.Context, entries []store.Entry) (w store.Written, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return w, err
	}
	if m.refuse != nil {
		if err := m.refuse(entries); err != nil {
			select {
			case m.refused <- struct{}{}:
			default:
			}
			return w, err
		}
	}
	for _, e := range entries {
		if e.Audit != nil {
			m.audit(e, &w)
			continue
		}
		if e.Gap != nil {
			m.gaps[e.Gap.Range.From] = *e.Gap
			continue
		}
		rows := m.rows[e.Series]
		if rows == nil {
			rows = make(map[candle.Millis]candle.Candle)
			m.rows[e.Series] = rows
		}
		switch former, ok := rows[e.Candle.OpenTime]; {
		case !ok:
			w.New++
		case former.Equal(e.Candle):
			w.Same++
		case m.audited.To != 0 && m.audited.Contains(e.Candle.OpenTime):
			w.Kept++
			w.Keeps = append(w.Keeps, store.Change{Series: e.Series, Old: former, New: e.Candle})
			continue
		default:
			w.Changed++
			w.Changes = append(w.Changes, store.Change{Series: e.Series, Old: former, New: e.Candle})
		}
		rows[e.Candle.OpenTime] = e.Candle
	}
	return w, nil
}

// audit confirms as a database does; see store.Candles.
func (m *memory) audit(e store.Entry, w *store.Written) {
	var stored int64
	for open := range m.rows[e.Series] {
		if e.Audit.Range.Contains(open) {
			stored++
		}
	}
	r, known := e.Audit.Range, m.audited.To >= e.Audit.Range.To
	moved := !known && stored >= int64(e.Audit.Rows) && (m.audited.To == 0 || r.From <= m.audited.To+1)
	if moved {
		if m.audited.To == 0 {
			m.audited.From = r.From
		}
		m.audited.To = r.To
	}
	w.Audited(*e.Audit, stored, moved, known)
}

func (m *memory) setRefuse(refuse func([]store.Entry) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = refuse
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows[testSeries])
}

// lines is a slog handler that keeps what is said.
type lines struct {
	t testing.TB

	mu   sync.Mutex
	said []string
	full []string // with attributes
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, r.Message)
	full := r.Message
	r.Attrs(func(a slog.Attr) bool {
		full += " " + a.String()
		return true
	})
	l.full = append(l.full, full)
	return nil
}

func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *lines) WithGroup(string) slog.Handler { return l }

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.said {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// testBus is a bus with a publisher, and a log.
type testBus struct {
	conn      *bus.Conn
	publisher *bus.Publisher
	log       *lines
}

func newTestBus(t *testing.T) *testBus {
	t.Helper()
	ctx := testContext(t)
	log := &lines{t: t}
	server, err := bus.StartServer(bus.ServerConfig{Dir: t.TempDir(), Logger: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := bus.Connect(ctx, bus.ClientConfig{File: server.File(), Logger: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	publisher, err := conn.NewPublisher(bus.PublisherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := publisher.Close(); err != nil {
			t.Error(err)
		}
	})
	return &testBus{conn: conn, publisher: publisher, log: log}
}

func (b *testBus) publish(t *testing.T, from, to int) {
	t.Helper()
	ctx := testContext(t)
	for n := from; n < to; n++ {
		if err := b.publisher.Candle(ctx, testSeries, testCandle(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.publisher.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// start runs a writer until the test ends or stop is called, which waits for it.
func (b *testBus) start(t *testing.T, w *Writer) (stop func()) {
	t.Helper()
	w.Bus, w.Logger, w.pause = b.conn, slog.New(b.log), 10*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func drained(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Drained(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func away() error {
	return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "The database is away.")
}

func TestCandlesAndGapsAreWrittenAndCounted(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	b := newTestBus(t)
	sink := newMemory()
	var mu sync.Mutex
	seen := 0
	w := &Writer{Sink: sink, Batch: 7, Committed: func(entries []store.Entry) {
		mu.Lock()
		seen += len(entries)
		mu.Unlock()
	}}
	stop := b.start(t, w)
	b.publish(t, 0, 100)
	b.publish(t, 50, 60) // again
	changed := testCandle(99)
	changed.Trades = 1
	gap := candle.Gap{Series: testSeries, Range: candle.Range{From: 60_000, To: 120_000}, State: candle.GapOpen}
	if err := errors.Join(b.publisher.Candle(ctx, testSeries, changed), b.publisher.Gap(ctx, gap), b.publisher.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	drained(t, w)
	stop()
	got := w.Stats()
	counted := uint64(0)
	for _, n := range got.Waits.Counts {
		counted += n
	}
	if w := got.Waits; counted != 112 || w.P50 > w.P99 || w.P99 > w.Max || w.Max > time.Minute || w.Sum <= 0 {
		t.Errorf("112 messages waited %+v", w)
	}
	if f := got.Fresh; f.Sum != 0 || f.Max != 0 {
		t.Errorf("candles of 1970 were committed %+v after their close", f)
	}
	got.Batches, got.Lag, got.Waits, got.Fresh = 0, 0, Lag{}, Lag{}
	if want := (Stats{New: 100, Same: 10, Changed: 1, Gaps: 1, GapsOpen: 1}); !reflect.DeepEqual(got, want) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	for n := range 99 {
		if !sink.rows[testSeries][testCandle(n).OpenTime].Equal(testCandle(n)) {
			t.Errorf("candle %d is not as it was sent", n)
		}
	}
	if !sink.rows[testSeries][changed.OpenTime].Equal(changed) || sink.gaps[60_000] != gap || seen != 112 {
		t.Errorf("the correction, the gap or the %d entries told of are wrong", seen)
	}
}

func TestWhileTheDatabaseIsAwayCandlesWaitAndItIsToldOnce(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := newMemory()
	sink.setRefuse(func([]store.Entry) error { return away() })
	w := &Writer{Sink: sink, Batch: 10}
	b.start(t, w)
	b.publish(t, 0, 50)
	for range 3 {
		<-sink.refused
	}
	if n := sink.count(); n != 0 || !strings.Contains(w.Stats().Failing, "away") {
		t.Errorf("%d candles were written; failing: %q", n, w.Stats().Failing)
	}
	sink.setRefuse(nil)
	drained(t, w)
	if n := sink.count(); n != 50 || w.Stats().Failing != "" {
		t.Errorf("%d candles were written, not 50", n)
	}
	if ill, well := b.log.count("the database does not take candles"), b.log.count("the database takes candles again"); ill != 1 || well != 1 {
		t.Errorf("told %d times that it is ill and %d times that it is well", ill, well)
	}
	if w.Stats().Failures < 3 {
		t.Errorf("counted %+v", w.Stats())
	}
}

func TestWhatIsNotCommittedAtTheEndIsLeftForTheNextWriter(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := newMemory()
	sink.setRefuse(func([]store.Entry) error { return away() })
	w := &Writer{Sink: sink}
	stop := b.start(t, w)
	b.publish(t, 0, 20)
	<-sink.refused
	stop()
	if n, err := b.conn.Backlog(testContext(t)); n != 20 || err != nil {
		t.Errorf("%d candles are left in the stream, not 20: %v", n, err)
	}
	sink.setRefuse(nil)
	next := &Writer{Sink: sink}
	b.start(t, next)
	drained(t, next)
	if n := sink.count(); n != 20 {
		t.Errorf("%d candles were written, not 20", n)
	}
}

// slow is a sink that says when a write begins, and goes on when it is told to.
type slow struct {
	*memory
	begun, proceed chan struct{}
}

func (s *slow) Write(ctx context.Context, entries []store.Entry) (store.Written, error) {
	s.begun <- struct{}{}
	select {
	case <-s.proceed:
	case <-ctx.Done():
		return store.Written{}, ctx.Err()
	}
	return s.memory.Write(ctx, entries)
}

func TestTheBatchUnderWayIsCommittedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := &slow{memory: newMemory(), begun: make(chan struct{}), proceed: make(chan struct{})}
	stop := b.start(t, &Writer{Sink: sink})
	b.publish(t, 0, 1)
	<-sink.begun
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop()
	}()
	select {
	case sink.proceed <- struct{}{}:
	case <-testContext(t).Done():
		t.Fatal("the batch was given up")
	}
	<-ended
	if n, err := b.conn.Backlog(testContext(t)); n != 0 || err != nil || sink.count() != 1 {
		t.Errorf("%d candles are in the stream, %d in the store: %v", n, sink.count(), err)
	}
}

func TestADatabaseThatHangsIsNotWaitedForBeyondTheGrace(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := &slow{memory: newMemory(), begun: make(chan struct{}), proceed: make(chan struct{})}
	stop := b.start(t, &Writer{Sink: sink, Grace: 10 * time.Millisecond})
	b.publish(t, 0, 1)
	<-sink.begun
	stop()
	if n, err := b.conn.Backlog(testContext(t)); n != 1 || err != nil {
		t.Errorf("%d candles are left in the stream, not 1: %v", n, err)
	}
}

func TestPoisonIsTakenOutAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	invalid := problem.New(problem.Invalid, problem.CodeInternal, nil, "No such row.")
	for name, refusal := range map[string]error{"invalid": invalid, "unforeseen": errors.New("constraint 7")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTestBus(t)
			sink := newMemory()
			poison := map[candle.Millis]bool{testCandle(13).OpenTime: true, testCandle(14).OpenTime: true, testCandle(90).OpenTime: true}
			sink.setRefuse(func(entries []store.Entry) error {
				for _, e := range entries {
					if poison[e.Candle.OpenTime] {
						return refusal
					}
				}
				return nil
			})
			w := &Writer{Sink: sink, Batch: 40}
			b.publish(t, 0, 100)
			b.start(t, w)
			// Messages that fail alone are tried again with others, which show that the database is well.
			for n := 100; w.Stats().Rejected < 3; n++ {
				b.publish(t, n, n+1)
			}
			drained(t, w)
			if got := w.Stats(); got.Rejected != 3 || got.Failing != "" {
				t.Errorf("%d messages were rejected, not 3; failing: %q", got.Rejected, got.Failing)
			}
			for n := range 100 {
				_, stored := sink.rows[testSeries][testCandle(n).OpenTime]
				if stored == poison[testCandle(n).OpenTime] {
					t.Errorf("candle %d: stored is %v", n, stored)
				}
			}
		})
	}
}

func TestADatabaseThatRefusesEverythingRejectsNothing(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := newMemory()
	sink.setRefuse(func([]store.Entry) error { return errors.New("the disk is full") })
	w := &Writer{Sink: sink, Batch: 100}
	b.start(t, w)
	b.publish(t, 0, 30)
	for range 40 {
		<-sink.refused
	}
	b.publish(t, 30, 60)
	sink.setRefuse(nil)
	drained(t, w)
	if n := sink.count(); n != 60 || w.Stats().Rejected != 0 {
		t.Errorf("%d candles were written, not 60: %+v", n, w.Stats())
	}
}
