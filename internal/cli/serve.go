package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"velador/internal/access"
	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/dashboard"
	"velador/internal/exchange"
	"velador/internal/ingest"
	"velador/internal/metrics"
	"velador/internal/proc"
	"velador/internal/server"
	"velador/internal/store"
	"velador/internal/supervise"
	"velador/internal/verify"
)

const (
	// lookBack is how many candles behind the newest one are looked through for holes when a
	// collector takes a series up.
	lookBack = 10_000
	// catalogueAge is how long a venue's list of symbols is believed.
	catalogueAge = 5 * time.Minute
	// keepStopped is how long a stopped collector's row is kept (DESIGN section 7).
	keepStopped = 7 * 24 * time.Hour
	// cleanEvery is how often such rows are looked for.
	cleanEvery = time.Hour
	// openTimeout bounds what is done before the server listens, a migration excepted.
	openTimeout = 30 * time.Second
)

func (p *program) serveCommand() *cobra.Command {
	var (
		logs   logFlags
		listen listenFlags
		s      service
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run the server: API, database, bus and collectors",
		Long: `Run the whole product on one machine: the HTTP API, the agent that starts and watches collectors,
the bus that their candles travel on, and the writer that stores them.

At SIGTERM or Ctrl-C the collectors bring home what they hold and end; the next start resumes them.`,
		Example: `  velador serve
  PORT=8080 DATABASE_URL=postgres://velador@localhost/velador velador serve
  HOST=0.0.0.0 VELADOR_TOKEN=$(openssl rand -hex 24) velador serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := logs.logger(p.stderr)
			if err != nil {
				return err
			}
			if s.audit, err = logs.audit(p.stderr); err != nil {
				return err
			}
			if err := s.care.check(); err != nil {
				return err
			}
			if s.keys, err = listen.keys(logger); err != nil {
				return err
			}
			ln, scheme, err := listen.listen(cmd.Context(), s.keys, logger)
			if err != nil {
				return err
			}
			if s.overrides, err = readOverrides(p.env, logger); err != nil {
				return err
			}
			s.environ, s.logger, s.hosts = p.env.process, logger, listen.hosts()
			if s.hosts == nil {
				logger.Info("the server answers by any name: --allowed-host leaves only those that are meant")
			}
			s.childFlags = []string{"--log-level", logs.level, "--log-format", logs.format}
			go func() {
				select {
				case <-s.started():
					_, _ = fmt.Fprintf(p.stdout, "velador listens on %s://%s\n", scheme, ln.Addr())
				case <-cmd.Context().Done():
				}
			}()
			return s.run(cmd.Context(), ln)
		},
	}
	flags := cmd.Flags()
	logs.register(flags)
	listen.register(flags)
	s.database.register(p, flags)
	s.nats.register(flags)
	s.exchanges.register(flags)
	s.care.register(flags)
	return cmd
}

// service is the whole product on one machine.
type service struct {
	database   databaseFlags
	nats       natsFlags
	exchanges  exchangeFlags
	care       supervisionFlags
	overrides  overrides
	environ    []string // what collectors inherit a part of
	childFlags []string // what collectors are called with beside their spec
	keys       *access.Keys
	hosts      *access.Hosts
	logger     *slog.Logger
	audit      *slog.Logger // nil: logger

	// What others may look at once started has been closed.
	store  store.Store
	writer *ingest.Writer
	turn   *ingest.Turn // with other servers on the same bus; nil where the bus is this server's own

	once  sync.Once
	ready chan struct{}
}

// started is closed when everything has been opened and requests are answered.
func (s *service) started() chan struct{} {
	s.once.Do(func() { s.ready = make(chan struct{}) })
	return s.ready
}

// run opens everything, serves on ln until ctx ends, and closes everything. It closes ln.
func (s *service) run(ctx context.Context, ln net.Listener) (err error) {
	defer func() { err = errors.Join(err, ignoreClosed(ln.Close())) }()
	dir, err := openDataDir(s.database.dataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if s.store, err = s.database.open(opening, s.logger); err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	if err := s.store.Ping(opening); err != nil {
		return usageError{err}
	}
	if _, err := s.store.Migrate(ctx); err != nil {
		return err
	}
	if s.nats.url == "" {
		embedded, err := bus.StartServer(bus.ServerConfig{Dir: dir.join("bus"), Logger: s.logger})
		if err != nil {
			return err
		}
		defer embedded.Shutdown()
	}
	conn, err := bus.Connect(opening, s.nats.client(dir.join("bus", bus.FileName), "server", s.logger))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Provision(opening); err != nil {
		return err
	}
	if err := s.writersTurn(opening, dir, conn); err != nil {
		return err
	}
	return s.serve(ctx, ln, dir, conn)
}

// serve runs the parts that go on until ctx ends.
func (s *service) serve(ctx context.Context, ln net.Listener, dir *dataDir, conn *bus.Conn) error {
	shares, err := s.budgets(dir, conn)
	if err != nil {
		return err
	}
	venue, err := s.exchanges.open(shares.of(exchangeNames[0]), exchangeNames[0], s.logger)
	if err != nil {
		return err
	}
	symbols := exchange.NewSymbols(map[string]exchange.Catalogue{venue.Name(): venue}, catalogueAge, time.Now)
	processes := proc.NewHost(s.logger)
	fleet, agent, err := s.supervision(dir, conn, symbols, processes)
	if err != nil {
		return err
	}
	renewal := fleet.NewRenewal()
	s.writer = &ingest.Writer{Bus: conn, Sink: s.store, Logger: s.logger, Committed: tellStored(conn), Lacks: renewal.Lacks}
	shown := &figures{
		kind: s.database.kind(), version: version(), started: time.Now(), database: s.store, bus: conn, writer: s.writer, fleet: fleet, brokers: shares.brokers,
	}
	web := server.New(server.Config{
		Fleet: fleet, Candles: s.store, Logs: collectorLogs{fleet: fleet, agent: agent}, Exchanges: exchangeNames,
		Logger: s.logger, Audit: s.audit, Version: version(), Keys: s.keys, Hosts: s.hosts,
		Verifier: &verify.Verifier{Venue: venue, Candles: s.store},
		Metrics:  metrics.Handler(metrics.Config{Fleet: fleet, Adoptions: agent, Version: version(), Parts: []metrics.Part{shown}, Logger: s.logger}),
		System:   shown.system,
		Symbols:  symbols, Browser: s.store, Market: liveMarket{conn}, Dashboard: dashboard.Handler(),
		Ready: []server.Check{
			{Name: "database", Run: s.store.Ping},
			{Name: "bus", Run: func(context.Context) error {
				if !conn.Connected() {
					return errors.New("the bus cannot be reached")
				}
				return nil
			}},
			{Name: "agent", Run: agent.Working},
		},
	})
	close(s.started())
	s.logger.Info("velador is running", "address", ln.Addr().String(), "database", s.database.name(), "data", dir.path)
	// Stopped from the last to the first: no new requests, then the collectors, which bring home what
	// they hold, then the writer that stores it.
	return runStages(ctx, []stage{
		{"reaper", processes.ReapOrphans},
		{"budgets", shares.run},
		{"look-ups", func(ctx context.Context) error {
			return conn.ServeResume(ctx, func(ctx context.Context, series []candle.Series) ([]candle.Resume, error) {
				return s.resume(ctx, series)
			})
		}},
		{"writer", s.runWriter},
		{"clean-up", func(ctx context.Context) error { return s.cleanUp(ctx, fleet) }},
		{"agent", agent.Run},
		{"fleet", fleet.Run},
		{"renewals", renewal.Run},
		{"server", func(ctx context.Context) error { return web.Run(ctx, ln) }},
	})
}

// drainTimeout is how long a stopping writer waits for what collectors have just brought. What is not
// written then waits in the bus's file for the next start.
const drainTimeout = 5 * time.Second

// writersTurn makes the turn to write, on a bus that other servers may share.
func (s *service) writersTurn(ctx context.Context, dir *dataDir, conn *bus.Conn) error {
	if s.nats.url == "" {
		return nil // one server only runs on its data directory, and its bus is there
	}
	_, holder, err := dir.installation()
	if err != nil {
		return err
	}
	stream, err := conn.StreamName(ctx)
	if err != nil {
		return err
	}
	s.turn = &ingest.Turn{Leases: s.store, Name: "writer from " + stream, Holder: holder, Logger: s.logger}
	return nil
}

// runWriter writes until ctx ends, and then until the stream is empty.
func (s *service) runWriter(ctx context.Context) error {
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() {
		if s.turn == nil {
			ended <- s.writer.Run(writing)
		} else {
			ended <- s.turn.Run(writing, s.writer.Run)
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if s.turn != nil && !s.turn.Held() { // another server empties the stream
		stop()
		return <-ended
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := s.writer.Drained(drain); err != nil {
		s.logger.Warn("not everything is in the database yet; the rest waits on the bus for the next start", "error", err)
	}
	stop()
	return <-ended
}

// resume looks up where to take up each series.
func (s *service) resume(ctx context.Context, series []candle.Series) ([]candle.Resume, error) {
	found := make([]candle.Resume, 0, len(series))
	for _, one := range series {
		r, err := s.store.Resume(ctx, one, lookBack)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// cleanUp removes the rows of collectors that stopped long ago; candles are never touched.
func (s *service) cleanUp(ctx context.Context, fleet *supervise.Fleet) error {
	ticker := time.NewTicker(cleanEvery)
	defer ticker.Stop()
	for {
		if n, err := fleet.Cleanup(ctx, keepStopped); err != nil && ctx.Err() == nil {
			s.logger.Warn("rows of stopped collectors could not be removed; it is tried again", "in", cleanEvery, "error", err)
		} else if n > 0 {
			s.logger.Info("rows of collectors that stopped long ago were removed", "rows", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// inherited are the variables that a collector's process gets of ours: nothing secret is among them.
var inherited = []string{"PATH", "HOME", "TZ", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "GODEBUG", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"}

// command says how a collector's process is started.
func (s *service) command(executable, instance, busFile, budgetDir string) func(collector.Record, time.Time) (string, []string, []string) {
	var env []string
	for _, entry := range s.environ {
		for _, name := range inherited {
			if strings.HasPrefix(entry, name+"=") {
				env = append(env, entry)
			}
		}
	}
	if !slices.ContainsFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "GOMAXPROCS=") }) {
		// A collector of every market there is needs a fraction of one core; each further one that it
		// may use costs memory in every collector.
		env = append(env, "GOMAXPROCS=1")
	}
	env = append(env, s.exchanges.environ()...)
	if s.nats.url != "" {
		env = append(env, "VELADOR_NATS_URL="+s.nats.url)
	}
	return func(r collector.Record, wanted time.Time) (string, []string, []string) {
		args := []string{
			"collect", "--env-file", os.DevNull, "--exchange", r.Spec.Exchange,
			"--agent", instance, "--orphan-after", s.care.orphanAfter.String(), "--log-size", strconv.FormatInt(int64(s.care.logSize), 10),
		}
		args = append(args, s.childFlags...)
		args = append(args, "--budget-dir", budgetDir)
		if s.nats.url == "" {
			args = append(args, "--bus-file", busFile)
		}
		if r.Spec.Since != 0 {
			args = append(args, "--since", fmt.Sprint(int64(r.Spec.Since)))
		} else if !wanted.IsZero() {
			args = append(args, "--wanted", fmt.Sprint(wanted.UnixMilli()))
		}
		return executable, append(args, "--", r.Spec.Selector, r.Spec.Timeframe.String()), env
	}
}

// ignoreClosed drops the complaint that a listener was closed by whoever served on it.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
