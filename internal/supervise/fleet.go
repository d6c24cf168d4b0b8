package supervise

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
	"velador/internal/store"
)

const (
	startTimeout = 10 * time.Second // for an agent to take an order and start the process
	startTries   = 5                // while what is in the way gives way itself
	winnerLook   = 50 * time.Millisecond
	tidyTimeout  = 5 * time.Second // for cleaning up behind a start that failed
)

// Catalogue knows the symbols of the exchanges, those that do not trade now included. Its errors are
// *problem.Error, with problem.CodeUnknownExchange for an exchange that it does not know.
type Catalogue interface {
	Symbols(ctx context.Context, exchange string) ([]string, error)
}

// FleetConfig is what a Fleet needs. Rows, Queue, Catalogue, Processes and HostName are required; for
// Cleanup Rows is enough.
type FleetConfig struct {
	Rows      *Rows // shared with the Agent of the same process, if there is one
	Queue     Queue
	Catalogue Catalogue
	Processes *proc.Host
	HostName  string // as the Agent of this machine has it
	// Local is the Agent of the same process, which is asked without the bus; nil when there is none.
	Local    *Agent
	Versions store.Versions // tells whether the records must be read again; nil: they are read each time
	// Leases tell which other installations on the same database live: what one of them looks after is
	// not ordered from others, and what a dead one left behind is. nil: there are no others.
	Leases store.Leases
	Lives  store.Lives // how earlier processes ended; nil: nobody keeps that
	Logger *slog.Logger
	// StartTimeout is how long an agent may take to start a process; 0 is 10 s.
	StartTimeout time.Duration
	// StopPatience is how long a stop waits for an agent that cannot be asked, and reads in the
	// database what is wanted. It must exceed the agents' grace; 0 is 20 s.
	StopPatience time.Duration
	// LeaseDoubt is for how long a lease must have been seen run out before its installation is taken
	// for dead. It must exceed the time between two renewals; 0 is 6 s, a negative one is none.
	LeaseDoubt time.Duration
	// ReviewEvery is how often it is looked whether wishes have changed; 0 is 2 s.
	ReviewEvery time.Duration
}

// Fleet starts, lists and stops collectors, wherever they run. Its methods are safe for concurrent
// use; errors are *problem.Error.
type Fleet struct {
	cfg    FleetConfig
	self   proc.Identity // of this process
	active *view         // rows that are running or failing
	wishes *view         // all rows that are not history
	others *correspondents
	tenure *tenure
	rooms  sync.Pool // of *[]running: what the agents said before, to be written over

	mu       sync.Mutex
	starting map[int64]chan struct{} // starts under way, by row; closed when they are over
}

// NewFleet makes a fleet.
func NewFleet(cfg FleetConfig) *Fleet {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.StartTimeout <= 0 {
		cfg.StartTimeout = startTimeout
	}
	if cfg.StopPatience <= 0 {
		cfg.StopPatience = stopPatience
	}
	if cfg.ReviewEvery <= 0 {
		cfg.ReviewEvery = reviewEvery
	}
	var self proc.Identity
	if cfg.Processes != nil { // the clean-up alone needs none
		self = cfg.Processes.Self("")
	}
	return &Fleet{
		cfg: cfg, self: self, starting: make(map[int64]chan struct{}), others: newCorrespondents(),
		active: newView(cfg.Rows.registry, cfg.Versions, collector.Running, collector.Failed),
		wishes: newView(cfg.Rows.registry, cfg.Versions),
		tenure: newTenure(cfg.Leases, cfg.LeaseDoubt),
	}
}

// Start starts a collector and returns when its process runs. The wish is stored before: of any
// number of racing starts one wins, and the others get problem.CodeAlreadyRunning with the
// parameters pid and id of the winner. A start that fails leaves a stopped row with the reason, and
// nothing else. When ctx ends early the start goes on to one end or the other.
func (f *Fleet) Start(ctx context.Context, spec collector.Spec) (collector.Record, error) {
	symbols, err := f.resolve(ctx, &spec)
	if err != nil {
		return collector.Record{}, err
	}
	for try := 1; ; try++ {
		row, err := f.attempt(ctx, spec, symbols)
		var exists *store.ExistsError
		if !errors.As(err, &exists) {
			return row, err
		}
		winner := f.settle(ctx, exists.Record)
		// What was in the way under another selector may have given way itself.
		if winner.Wanted || winner.PID != 0 || winner.Spec.Key() == spec.Key() || try == startTries {
			return collector.Record{}, conflict(spec, winner)
		}
	}
}

// attempt starts a collector, unless another one is in its way (a *store.ExistsError).
func (f *Fleet) attempt(ctx context.Context, spec collector.Spec, symbols []string) (collector.Record, error) {
	row, seen, over, err := f.create(ctx, spec, symbols)
	var exists *store.ExistsError
	if errors.As(err, &exists) {
		return collector.Record{}, exists
	} else if err != nil {
		return collector.Record{}, known(err)
	}
	defer over()
	// From here on the caller's patience does not count: half a start is none.
	ctx = context.WithoutCancel(ctx)
	if err := f.contend(ctx, row, symbols, seen); errors.As(err, &exists) {
		return collector.Record{}, exists
	} else if err != nil {
		return collector.Record{}, f.giveUp(ctx, row, "whether another start is in its way could not be found out", err)
	}
	awaiting, cancel := context.WithTimeout(ctx, f.cfg.StartTimeout)
	defer cancel()
	said, err := f.order(awaiting, row)
	switch {
	case err != nil && awaiting.Err() != nil:
		return collector.Record{}, f.giveUp(ctx, row, "no agent has started it within "+f.cfg.StartTimeout.String(), err)
	case err != nil:
		return collector.Record{}, f.giveUp(ctx, row, "it could not be handed to an agent", err)
	case said.Failed != "":
		return collector.Record{}, f.giveUp(ctx, row, said.Failed, said.failure())
	}
	started, err := f.cfg.Rows.registry.CollectorByID(ctx, row.ID)
	if err != nil {
		// It runs; what the agent said will do.
		f.cfg.Logger.Warn("the record of a started collector could not be read", "id", row.ID, "error", err)
		started = row
		started.PID, started.Host = said.PID, said.Host
	}
	return started, nil
}

// resolve normalizes the spec's selector and gives the symbols that it follows.
func (f *Fleet) resolve(ctx context.Context, spec *collector.Spec) ([]string, error) {
	selector, err := candle.ParseSelector(spec.Selector)
	if err != nil {
		return nil, problem.New(problem.Invalid, problem.CodeInvalidSelector, err, "{detail}.", "detail", err.Error())
	}
	spec.Selector = selector.String()
	all, err := f.cfg.Catalogue.Symbols(ctx, spec.Exchange)
	if err != nil {
		return nil, known(err)
	}
	followed, unknown := selector.Resolve(all)
	if len(unknown) > 0 {
		return nil, problem.New(problem.Invalid, problem.CodeUnknownSymbol, nil,
			"The symbol {symbol} does not exist on {exchange}: look at its spelling, and at upper and lower case.",
			"symbol", unknown[0], "exchange", spec.Exchange)
	}
	if len(followed) == 0 {
		return nil, problem.New(problem.Invalid, problem.CodeNoSymbolMatches, nil,
			"No symbol of {exchange} matches {selector}.", "selector", spec.Selector, "exchange", spec.Exchange)
	}
	return followed, nil
}

// create stores the wish, unless a wanted collector is in the way (a *store.ExistsError). seen is the
// version of the registry in which none was. over must be called when the start has ended.
func (f *Fleet) create(ctx context.Context, spec collector.Spec, symbols []string) (row collector.Record, seen int64, over func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rec, err := f.wishes.read(ctx)
	if err != nil {
		return row, 0, nil, err
	}
	if other, found := inTheWay(rec.rows, spec, symbols); found {
		return row, 0, nil, &store.ExistsError{Record: other}
	}
	row, err = f.cfg.Rows.registry.CreateCollector(ctx, collector.Record{
		Spec: spec, Wanted: true, Status: collector.Running, StartedAt: stored(time.Now()),
	})
	if err != nil {
		return row, 0, nil, err
	}
	ended := make(chan struct{})
	f.starting[row.ID] = ended
	return row, rec.version, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.starting, row.ID)
		close(ended)
	}, nil
}

// order gives a collector to whichever agent takes it, and waits for its answer.
func (f *Fleet) order(ctx context.Context, row collector.Record) (answer, error) {
	payload, err := f.cfg.Queue.AssignAndAwait(ctx, assignment(row, true))
	if errors.Is(err, bus.ErrAssigned) {
		// An order of an older database with the same ID.
		if err = f.cfg.Queue.Withdraw(ctx, assignmentID(row.ID)); err == nil {
			payload, err = f.cfg.Queue.AssignAndAwait(ctx, assignment(row, true))
		}
	}
	if err != nil {
		return answer{}, err
	}
	return decode[answer](payload)
}

// giveUp ends a start that failed: nothing is wanted, ordered or running afterwards.
func (f *Fleet) giveUp(ctx context.Context, row collector.Record, why string, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	if err := f.cfg.Queue.Withdraw(ctx, assignmentID(row.ID)); err != nil {
		f.cfg.Logger.Warn("the order of a start that failed could not be withdrawn", "id", row.ID, "error", err)
	}
	closed, err := f.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
		r.Wanted = false
		if r.PID == 0 && r.Status != collector.Stopped {
			r.Status, r.StoppedAt = collector.Stopped, time.Now()
		}
		if r.LastError == "" {
			r.LastError = why
		}
		return nil
	})
	if err != nil {
		f.cfg.Logger.Error("the record of a start that failed could not be closed", "id", row.ID, "error", err)
	}
	if closed.Instance != "" && closed.Status != collector.Stopped {
		// An agent has taken it after all, and reads the row again after its start; the command is for
		// the case that it read before we wrote.
		if _, err := f.command(ctx, closed.Instance, command{Op: opStop, ID: row.ID}); err != nil {
			f.cfg.Logger.Warn("the agent that took a start which failed could not be told", "id", row.ID, "error", err)
		}
	}
	kind := problem.Internal
	if cause != nil {
		kind = problem.Unavailable
	}
	return problem.New(kind, problem.CodeCollectorFailed, cause,
		"The collector for {symbol} on timeframe {timeframe} could not be started: {detail}.",
		"symbol", row.Spec.Selector, "timeframe", row.Spec.Timeframe.String(), "detail", why)
}

// settle waits, if a collector is just being started, until it has a PID, or will not get one: as long as a
// start may take.
func (f *Fleet) settle(ctx context.Context, other collector.Record) collector.Record {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.StartTimeout)
	defer cancel()
	for other.PID == 0 && other.Wanted {
		f.mu.Lock()
		ended := f.starting[other.ID]
		f.mu.Unlock()
		look := time.NewTimer(winnerLook) // a start of another server is not announced here
		select {
		case <-ended:
		case <-look.C:
		case <-ctx.Done():
		}
		look.Stop()
		if ctx.Err() != nil {
			return other
		}
		row, err := f.cfg.Rows.registry.CollectorByID(ctx, other.ID)
		if err != nil {
			f.cfg.Logger.Warn("the record of a collector that is being started could not be read", "id", other.ID, "error", err)
			return other
		}
		other = row
	}
	return other
}

// conflict answers a start whose series is collected already, with the PID that does it.
func conflict(spec collector.Spec, other collector.Record) error {
	if other.PID == 0 && !other.Wanted {
		return problem.New(problem.Unavailable, problem.CodeCollectorFailed, nil,
			"The collector for {symbol} on timeframe {timeframe} could not be started: {detail}.",
			"symbol", spec.Selector, "timeframe", spec.Timeframe.String(),
			"detail", "another start of it was under way and failed: "+other.LastError)
	}
	return problem.New(problem.Conflict, problem.CodeAlreadyRunning, nil,
		"A collector is running already for {symbol} on timeframe {timeframe}: PID {pid}. Stop it first.",
		"symbol", spec.Selector, "timeframe", spec.Timeframe.String(), "pid", strconv.Itoa(other.PID), "id", assignmentID(other.ID))
}

// Cleanup removes the rows of collectors that stopped longer than olderThan ago, and tells how many.
// Rows that are wanted stay: they become errors, since nothing has resumed them for so long.
func (f *Fleet) Cleanup(ctx context.Context, olderThan time.Duration) (int64, error) {
	before := time.Now().Add(-olderThan)
	rows, err := f.cfg.Rows.registry.Collectors(ctx, collector.Stopped)
	if err != nil {
		return 0, known(err)
	}
	for _, row := range rows {
		if !row.Wanted || row.StoppedAt.After(before) {
			continue
		}
		_, err := f.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
			if !r.Wanted || r.Status != collector.Stopped {
				return errUnchanged
			}
			r.Status, r.StoppedAt = collector.Failed, time.Time{}
			if r.LastError == "" {
				r.LastError = "no agent has resumed it since " + row.StoppedAt.Format(time.RFC3339)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errUnchanged) {
			return 0, known(err)
		}
	}
	n, err := f.cfg.Rows.registry.DeleteStoppedCollectors(ctx, before)
	return n, known(err)
}

// known gives an error a meaning, if it has none yet.
func known(err error) error {
	var p *problem.Error
	if err == nil || errors.As(err, &p) {
		return err
	}
	return problem.New(problem.Internal, problem.CodeInternal, err, "Something went wrong; the server's log says what.")
}

func notFound(cause error) error {
	return problem.New(problem.NotFound, problem.CodeCollectorNotFound, cause,
		"There is no such collector, or it has stopped already.")
}
