package supervise

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"velador/internal/backoff"
	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

// bound is how long anything may take in these tests; nothing is expected to come near it.
const bound = 30 * time.Second

const testHost = "this-host"

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// catalogue knows one exchange, whose symbols are the modes of the stub.
type catalogue struct{ more []string }

func (c catalogue) Symbols(_ context.Context, exchange string) ([]string, error) {
	if exchange != "binance" {
		return nil, problem.New(problem.Invalid, problem.CodeUnknownExchange, nil, "{exchange} is not known.", "exchange", exchange)
	}
	return append([]string{"ETHUSDT", "BTCUSDT", "BTCEUR", "QUIET", "DEAF", "CHATTY", "FORKING", "EXITS", "CONFIG", "MISSING",
		"BEATING", "BARREN", "BANNED", "FAREWELL", "PANICS", "ENDLESS"}, c.more...), nil
}

// flaky is a registry that can be taken away.
type flaky struct {
	store.Registry
	mu   sync.Mutex
	away bool
}

func (f *flaky) setAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *flaky) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "The database is away.")
	}
	return nil
}

func (f *flaky) CollectorByID(ctx context.Context, id int64) (collector.Record, error) {
	if err := f.err(); err != nil {
		return collector.Record{}, err
	}
	return f.Registry.CollectorByID(ctx, id)
}

func (f *flaky) UpdateCollector(ctx context.Context, r collector.Record) error {
	if err := f.err(); err != nil {
		return err
	}
	return f.Registry.UpdateCollector(ctx, r)
}

// rest is what else a database has; it goes away with the registry.
type rest struct {
	database
	of *flaky
}

func (r rest) RenewLease(ctx context.Context, l store.Lease, ttl time.Duration) (store.Lease, error) {
	if err := r.of.err(); err != nil {
		return l, err
	}
	return r.database.RenewLease(ctx, l, ttl)
}

func (r rest) FenceLease(ctx context.Context, instance string) (time.Duration, error) {
	if err := r.of.err(); err != nil {
		return 0, err
	}
	return r.database.FenceLease(ctx, instance)
}

func (r rest) SaveLife(ctx context.Context, l collector.Life) error {
	if err := r.of.err(); err != nil {
		return err
	}
	return r.database.SaveLife(ctx, l)
}

func (r rest) RegistryVersion(ctx context.Context) (int64, error) {
	if err := r.of.err(); err != nil {
		return 0, err
	}
	return r.database.RegistryVersion(ctx)
}

// flakyDB is the site's database, which can be taken away.
func (s *site) flakyDB() rest {
	db, ok := s.registry.Registry.(database)
	if !ok {
		db = s.db
	}
	return rest{database: db, of: s.registry}
}

// site is one installation: a bus, a database and a data directory, with real processes.
type site struct {
	t        testing.TB
	dir      string
	conn     *bus.Conn
	db       *sqlite.Store
	registry *flaky
	rows     *Rows
	fleet    *Fleet
	log      *slog.Logger
}

func newSite(t testing.TB) *site {
	t.Helper()
	return openSite(t, t.TempDir())
}

// openSite opens the installation in a directory, which may have been another process's before.
func openSite(t testing.TB, dir string) *site {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	server, err := bus.StartServer(bus.ServerConfig{Dir: filepath.Join(dir, "bus"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	s := &site{t: t, dir: dir, log: log}
	s.conn = connect(t, dir)
	if err := s.conn.Provision(within(t)); err != nil {
		t.Fatal(err)
	}
	s.db = openStore(t, dir)
	s.registry = &flaky{Registry: s.db}
	s.rows = NewRows(s.registry)
	s.fleet = NewFleet(FleetConfig{
		Rows: s.rows, Queue: s.conn, Catalogue: catalogue{}, Processes: proc.NewHost(log), HostName: testHost, Logger: log,
		StartTimeout: bound,
	})
	return s
}

func connect(t testing.TB, dir string) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(within(t), bus.ClientConfig{File: filepath.Join(dir, "bus", bus.FileName), Name: t.Name(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func openStore(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	db, err := sqlite.Open(within(t), sqlite.Config{Path: filepath.Join(dir, "velador.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(within(t)); err != nil {
		t.Fatal(err)
	}
	return db
}

// agentConfig is the site's agent, with times for tests.
func (s *site) agentConfig() AgentConfig {
	db := s.flakyDB()
	return AgentConfig{
		Name: "this-host:" + s.dir, HostName: testHost, Dir: filepath.Join(s.dir, "collectors"), Rows: s.rows, Work: s.conn,
		Leases: db, Lives: db, Versions: db, LeaseTTL: time.Second,
		Processes: proc.NewHost(s.log), Command: stubCommand(s.dir), Logger: s.log, Grace: 200 * time.Millisecond, AckWait: time.Second, Silence: -1,
		Backoff: backoff.Policy{First: 20 * time.Millisecond, Cap: 200 * time.Millisecond, Jitter: 0.2}, ReviewEvery: 100 * time.Millisecond,
	}
}

// stubCommand starts the test binary, except for the symbol MISSING.
func stubCommand(dir string) func(collector.Record, time.Time) (string, []string, []string) {
	return func(r collector.Record, _ time.Time) (string, []string, []string) {
		if r.Spec.Selector == "MISSING" {
			return filepath.Join(dir, "missing"), nil, nil
		}
		return os.Args[0], nil, []string{"SUPERVISE_TEST_COLLECTOR=" + r.Spec.Selector, "SUPERVISE_TEST_DIR=" + dir}
	}
}

// runAgent runs an agent until end is called, at the latest at the end of the test; a test that
// leaves collectors behind has them swept up.
func (s *site) runAgent(change func(*AgentConfig)) (agent *Agent, end func()) {
	s.t.Helper()
	cfg := s.agentConfig()
	if change != nil {
		change(&cfg)
	}
	agent = NewAgent(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx) }()
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					s.t.Error(err)
				}
			case <-time.After(bound):
				s.t.Error("the agent does not end")
			}
		})
	}
	s.t.Cleanup(func() { end(); s.sweep(cfg) })
	s.until("the agent serves", func() bool {
		_, err := s.conn.Command(within(s.t), cfg.Name, encode(command{Op: opList}))
		return !errors.Is(err, bus.ErrNoAgent)
	})
	return agent, end
}

// sweep ends what still holds a lock of the site.
func (s *site) sweep(cfg AgentConfig) {
	locks, _ := filepath.Glob(filepath.Join(cfg.Dir, "*"+lockSuffix))
	for _, path := range locks {
		if holder, held, _ := proc.ProbeLock(path); held {
			if err := NewAgent(cfg).end(context.Background(), holder); err != nil {
				s.t.Errorf("sweep: %v", err)
			}
		}
	}
}

func spec(selector string) collector.Spec {
	return collector.Spec{Exchange: "binance", Selector: selector, Timeframe: candle.Minute1}
}

// startOnce starts a collector that may have ended before its record is read, or runs on whichever
// machine takes it.
func (s *site) startOnce(selector string) collector.Record {
	s.t.Helper()
	row, err := s.fleet.Start(within(s.t), spec(selector))
	if err != nil {
		s.t.Fatalf("start %s: %v", selector, err)
	}
	return row
}

// start starts a collector that stays.
func (s *site) start(selector string) collector.Record {
	s.t.Helper()
	row := s.startOnce(selector)
	if row.PID == 0 || row.Host != testHost || row.Status != collector.Running || !row.Wanted {
		s.t.Fatalf("start %s: %+v", selector, row)
	}
	return row
}

func (s *site) row(id int64) collector.Record {
	s.t.Helper()
	row, err := s.registry.Registry.CollectorByID(within(s.t), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return row
}

func (s *site) status() []collector.Live {
	s.t.Helper()
	live, err := s.fleet.Status(within(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	return live
}

// until waits for something to become true.
func (s *site) until(what string, is func() bool) {
	s.t.Helper()
	ctx := within(s.t)
	for !is() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// untilRow waits until a row is as it should be, and gives it.
func (s *site) untilRow(id int64, what string, is func(collector.Record) bool) (row collector.Record) {
	s.t.Helper()
	s.until(what, func() bool { row = s.row(id); return is(row) })
	return row
}

// untilLog waits until a collector has said something, and gives its log.
func (s *site) untilLog(agent *Agent, selector, text string) string {
	s.t.Helper()
	var log []byte
	s.until(selector+" says "+text, func() bool {
		log, _ = os.ReadFile(agent.LogPath(spec(selector)))
		return strings.Contains(string(log), text) && strings.HasSuffix(string(log), "\n")
	})
	return string(log)
}

func alive(row collector.Record) bool {
	p, verdict, _ := proc.NewHost(nil).Open(identityOf(row))
	if p != nil {
		p.Close()
	}
	return verdict == proc.Same
}

func kill(t testing.TB, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

func wantProblem(t testing.TB, err error, kind problem.Kind, code problem.Code) *problem.Error {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != kind || p.Code != code {
		t.Fatalf("the error is %v instead of %s, %s", err, kind, code)
	}
	return p
}
