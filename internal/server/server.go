// Package server is velador's HTTP API: the contract of DESIGN section 7 to the letter, in Spanish
// or English. It decides nothing about collectors and stores nothing: it reads requests with
// suspicion, asks the parts behind its interfaces, and puts their answers and problems into words.
//
// The way through the house: guard.go stands at the door (language, bounds, panics, the log),
// routes.go shows the whole surface on one page, and one file for each subject answers.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"velador/api"
	"velador/internal/access"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

// Fleet is who starts, watches and stops collectors. Errors are *problem.Error; the record of the
// collector that is in the way of a start comes as the parameters pid and id.
type Fleet interface {
	// Start starts a collector and returns when its process runs.
	Start(ctx context.Context, spec collector.Spec) (collector.Record, error)
	// Stop ends the collector's process and returns when it has ended.
	Stop(ctx context.Context, ref collector.Ref) (collector.Record, error)
	// Restart ends the collector's process gracefully and starts it anew, under the same record and
	// without a pause, and returns when the new one runs.
	Restart(ctx context.Context, ref collector.Ref) (collector.Record, error)
	// StopAll ends all wanted collectors side by side and gives those that it stopped, oldest first.
	// An error that joins several, each with a *collector.StopError, is about the others; any other
	// one is about the call as a whole, which has stopped nobody.
	StopAll(ctx context.Context) ([]collector.Record, error)
	// Status lists the collectors whose process is alive, oldest first; as a side effect those
	// whose process is gone become stopped.
	Status(ctx context.Context) ([]collector.Live, error)
	// All lists every collector that is not over, oldest first: those that wait for their next attempt
	// too, and those that velador will resume.
	All(ctx context.Context) ([]collector.Live, error)
	// Collector gives one record, dead or alive.
	Collector(ctx context.Context, id int64) (collector.Record, error)
	// Look gives one collector, dead or alive, with what is known of it beside its record.
	Look(ctx context.Context, id int64) (collector.Live, error)
	// Lives gives the newest lives of a collector that have ended, at most limit, newest first.
	Lives(ctx context.Context, id int64, limit int) ([]collector.Life, error)
}

// Candles is what the server reads of a store.Candles; the promises are written there.
type Candles interface {
	EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error
	Coverage(ctx context.Context, series candle.Series, r candle.Range) (store.Coverage, error)
	Days(ctx context.Context, series candle.Series, r candle.Range) ([]store.Day, error)
}

// Logs reads what collectors say. Both answer problem.CodeCollectorNotFound for an unknown id.
type Logs interface {
	// Tail gives the newest lines of a collector's log, at most n, oldest first, without line ends.
	Tail(ctx context.Context, id int64, n int) ([]string, error)
	// Follow calls yield for the newest n lines and then for each further one as it is written. It
	// returns when ctx ends, when yield returns an error, or when the collector will say no more.
	Follow(ctx context.Context, id int64, n int, yield func(line string) error) error
}

// Check is one part that must work for the server to be ready.
type Check struct {
	Name string                      // database, bus, agent
	Run  func(context.Context) error // must return when its context ends
}

// Config is what a Server needs. Fleet, Candles and Logs are required.
type Config struct {
	Fleet     Fleet
	Candles   Candles
	Logs      Logs
	Ready     []Check          // all are asked by /readyz, at the same time
	Exchanges []string         // the venues that are known; empty: any well-formed name is passed on
	Logger    *slog.Logger     // nil: nothing is logged
	Audit     *slog.Logger     // takes a line for every request that may change something; nil: Logger
	Clock     func() time.Time // nil: time.Now; resolves "since":"24h" and counts uptimes
	Keys      *access.Keys     // tokens of which every request but probes must carry one; none: everybody may do everything
	Hosts     *access.Hosts    // the names under which the server may be called; nil: any
	Version   string           // of this build, for /healthz and the OpenAPI description
	Verifier  Verifier         // nil: there is no POST /api/verify
	Metrics   http.Handler     // answers GET /metrics, behind the token as the API is; nil: there is no such path
	Dashboard http.Handler     // the pages, and /assets/; nil: the root leads to /docs
	Symbols   Symbols          // nil: there is no GET /api/symbols
	Browser   store.Browser    // nil: there is neither GET /api/series nor GET /api/data
	Market    Market           // nil: there is no GET /api/candles/stream
	// System gives what is known of the machinery, as GET /api/system answers it and as GET /api/events
	// repeats it; nil: there is neither.
	System func(context.Context) (api.SystemAnswer, error)
}

// Bounds of the HTTP server.
const (
	idleTimeout    = 2 * time.Minute
	writeTimeout   = 2 * time.Minute // of an answer that is not a stream; covers a slow start
	maxHeaderBytes = 32 << 10
)

// patience is how long the server waits for its clients.
type patience struct {
	header    time.Duration // for the whole of a request's header
	body      time.Duration // for the whole of its body
	stall     time.Duration // for a client to take one piece of a stream
	heartbeat time.Duration // between two signs of life on a silent stream
	drain     time.Duration // for calls under way when the server is told to end
	news      time.Duration // between two looks at what has changed, while somebody watches
	system    time.Duration // between two looks at the machinery, while somebody watches
	look      time.Duration // until a stream of candles looks for stored ones that it was not told of
	forming   time.Duration // between two forms of a candle that is not closed
}

var defaultPatience = patience{
	header: 10 * time.Second, body: 10 * time.Second, stall: 30 * time.Second, heartbeat: 15 * time.Second, drain: 10 * time.Second,
	news: time.Second, system: 2 * time.Second, look: 5 * time.Second, forming: 100 * time.Millisecond,
}

// Server answers HTTP requests.
type Server struct {
	cfg      Config
	handler  http.Handler
	patience patience
	closing  context.Context // ends when the server is told to end: streams end with it
	close    context.CancelFunc

	alive, all fragments // of the lists of collectors, of which the first is watched all the time
	bodies     bodies
	unready    sync.Map // names of the checks of GET /readyz that failed when they were asked last

	news     news // of GET /api/events
	sessions access.Sessions
	guesses  *access.Pace // wrong tokens
	changes  *access.Pace // what may change something

	verifying struct { // those under way
		sync.Mutex
		series map[candle.Series]struct{}
	}
}

// New makes a server. It panics when a required part is missing, which is a mistake in the wiring.
func New(cfg Config) *Server {
	if cfg.Fleet == nil || cfg.Candles == nil || cfg.Logs == nil {
		panic("server.New: Fleet, Candles and Logs are required")
	}
	return newServer(cfg, (*Server).routes)
}

// newServer makes a server that answers what routes registers.
func newServer(cfg Config, routes func(*Server) (*http.ServeMux, map[string]string)) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Audit == nil {
		cfg.Audit = cfg.Logger
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	s := &Server{cfg: cfg, patience: defaultPatience, guesses: access.NewPace(guessEvery, guessBurst), changes: access.NewPace(changeEvery, changeBurst)}
	s.closing, s.close = context.WithCancel(context.Background())
	s.handler = s.guard(routes(s))
	return s
}

// Handler gives the whole surface, guarded.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves on ln until ctx ends. Then it takes no new call, ends the streams, lets the other
// calls finish within a deadline, cuts off those that do not, and returns when no handler runs
// any more. It closes ln. A Server runs once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	defer s.close()
	calls, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	var conns sync.WaitGroup
	hs := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.patience.header,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return calls },
		// Shutdown forgets what it closes by force; the states tell when each connection has ended.
		// StateNew is announced before Serve accepts the next one, so Add never races with Wait.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				conns.Done()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(ln) }()

	var failure error
	select {
	case failure = <-served:
		failure = fmt.Errorf("serving HTTP on %s: %w", ln.Addr(), failure)
		served <- nil
	case <-ctx.Done():
	}
	s.close()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience.drain)
	defer cancel()
	if err := hs.Shutdown(deadline); err != nil {
		s.cfg.Logger.Warn("calls were cut off at shutdown", "after", s.patience.drain, "error", err)
		cutOff()
		_ = hs.Close() // its errors are those of connections that are cut off on purpose
	}
	if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
		failure = fmt.Errorf("serving HTTP on %s: %w", ln.Addr(), err)
	}
	conns.Wait()
	return failure
}
