package klineapi

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"velador/internal/candle"
)

// Config is what an API needs.
type Config struct {
	Source  Source
	Clock   Clock
	Wall    Clock        // the wall clock of Profile.WallControl; nil: the machine's
	Logger  *slog.Logger // nil: silent
	Profile Profile      // the zero Profile means DefaultProfile
}

// API is the Binance spot surface for candles over one Source: REST and streams on one handler.
type API struct {
	source  Source
	clock   Clock
	control Clock // limits, pings, ages and faults' delays run on it (SIM-T2)
	log     *slog.Logger
	profile Profile

	faults  *Faults
	limits  *limits
	tally   *tally
	windows *windows
	hub     *hub

	mu      sync.Mutex
	conns   map[*conn]struct{}
	stopped bool
	open    sync.WaitGroup // handlers of WebSocket connections

	buffers sync.Pool // of WebSocket write buffers

	life context.Context // ends when the API stops: delayed answers end with it
	stop context.CancelFunc
}

// New makes the surface. Streams run while Run does. It panics when the profile is invalid: check
// one that comes from outside with Profile.Validate.
func New(cfg Config) *API {
	if cfg.Profile == (Profile{}) {
		cfg.Profile = DefaultProfile()
	}
	if err := cfg.Profile.Validate(); err != nil {
		panic(fmt.Sprintf("klineapi: %v", err))
	}
	if cfg.Wall == nil {
		cfg.Wall = WallClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{
		source: cfg.Source, clock: cfg.Clock, control: cfg.Clock, log: cfg.Logger, profile: cfg.Profile,
		faults: newFaults(cfg.Profile.Seed), tally: newTally(), windows: newWindows(cfg.Source),
		conns: make(map[*conn]struct{}),
	}
	a.life, a.stop = context.WithCancel(context.Background())
	if cfg.Profile.WallControl {
		a.control = cfg.Wall
	}
	a.limits = newLimits(&a.profile)
	a.hub = newHub(a)
	return a
}

// Profile gives the profile in force.
func (a *API) Profile() Profile { return a.profile }

// Faults gives the fault switches.
func (a *API) Faults() *Faults { return a.faults }

// Counters tells what the surface has done.
func (a *API) Counters() Counters {
	c := a.tally.snapshot()
	c.Struck = a.faults.strikes()
	return c
}

// ResetCounters sets the counters to zero, save those of what is open now.
func (a *API) ResetCounters() {
	a.tally.reset()
	a.faults.resetStrikes()
}

// Handler serves REST below /api/ and streams at /ws and /stream.
func (a *API) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind := streamPath(r.URL.EscapedPath()); kind != "" {
			a.serveStream(w, r, kind)
			return
		}
		a.serveREST(w, r)
	})
}

// streamPath tells which of the two stream services a path asks for: "/ws", "/stream" or neither.
func streamPath(path string) string {
	switch {
	case path == "/ws" || strings.HasPrefix(path, "/ws/"):
		return "/ws"
	case path == "/stream" || path == "/stream/":
		return "/stream"
	}
	return ""
}

// Run drives the streams until ctx ends; then it has closed every connection and all that the API
// started has ended. It runs once.
func (a *API) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	parts.Go(func() { a.hub.run(ctx) })
	if a.profile.ShutdownEvery > 0 {
		parts.Go(func() { a.announceRegularly(ctx) })
	}
	<-ctx.Done()
	parts.Wait()

	a.mu.Lock()
	a.stopped = true
	a.stop()
	for c := range a.conns {
		c.end(closeGoingAway, "")
	}
	a.mu.Unlock()
	// Who does not take the close frame soon is left without one.
	late := time.AfterFunc(lingerAfterClose, func() { a.each((*conn).abort) })
	defer late.Stop()
	a.open.Wait()
	return ctx.Err()
}

// admit takes a connection's handler into account; it is refused once the API has stopped.
func (a *API) admit() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return false
	}
	a.open.Add(1)
	return true
}

// register makes an accepted connection known to cuts and notices; false when the API has stopped
// meanwhile.
func (a *API) register(c *conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return false
	}
	a.conns[c] = struct{}{}
	a.tally.connections.Add(1)
	return true
}

func (a *API) unregister(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.conns[c]; known {
		delete(a.conns, c)
		a.tally.connections.Add(-1)
	}
}

// each calls f for every open connection and gives their number.
func (a *API) each(f func(*conn)) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.conns {
		f(c)
	}
	return len(a.conns)
}

// pause waits for d on the control clock, or until ctx or the API ends; false when it was cut short.
func (a *API) pause(ctx context.Context, d time.Duration) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.life, cancel)() //nolint:contextcheck // the API's end cuts the pause short too
	return a.control.Sleep(ctx, a.control.Now().Add(d)) == nil
}

// clientIP is whom limits and bans count.
func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// market finds a market by its symbol.
func (a *API) market(symbol string, now candle.Millis) (Market, bool) {
	for _, m := range a.source.Markets(now) {
		if m.Symbol == symbol {
			return m, true
		}
	}
	return Market{}, false
}
