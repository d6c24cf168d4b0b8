package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"velador/internal/backoff"
	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/proc"
	"velador/internal/store"
)

// AgentConfig is what an Agent needs. Rows, Work, Processes, Name, HostName, Dir and Command are
// required; the zero values of the rest give what is noted.
type AgentConfig struct {
	// Name is the agent's address on the bus and the Instance of its rows: one for each installation,
	// that is, machine and data directory. Another name finds no process of this one's.
	Name      string
	HostName  string // of this machine, as rows and users see it
	Dir       string // holds the lock and the log of each collector; one agent at a time uses it
	Rows      *Rows  // shared with the Fleet of the same process, if there is one
	Work      Work
	Processes *proc.Host
	// Command says how a collector's process is started; env is the whole environment.
	Command func(collector.Record) (path string, args, env []string)

	Leases store.Leases // where this instance says that it lives

	Logger *slog.Logger
	Detach bool // leave the collectors running at the end
	// StopOrphans ends collectors that outlived their agent instead of adopting them; those that are
	// wanted are started anew.
	StopOrphans     bool
	LeaseTTL        time.Duration  // how long this instance is believed to live after its last sign; 15 s
	Silence         time.Duration  // how long a process may say nothing before it is started anew; 1 min; negative: for ever
	MaxCollectors   int            // how many this agent looks after at most; 0: no bound
	LogSize         int64          // bytes after which a collector's log is set aside; 4 MiB
	LogTotal        int64          // bytes that all logs of the directory may take; 1 GiB
	Grace           time.Duration  // between SIGTERM and SIGKILL; 10 s: must exceed the last flush
	AckWait         time.Duration  // as bus.AgentConfig has it; 5 s
	Backoff         backoff.Policy // between failures of one collector; 0.5 s doubling to 60 s, ±20 %
	Healthy         time.Duration  // a life as long as this wipes earlier failures out; 2 min
	StartsPerSecond float64        // of all collectors together; 50, with a burst of 100
	ReviewEvery     time.Duration  // how often rows are compared with what runs; 30 s
	// At is called at each step of a start and of a stop, in the goroutine that does it. Tests end the
	// process there; nil does nothing.
	At func(Step)
}

// Step is a moment in a start or a stop at which an agent may die.
type Step string

// The steps, in their order.
const (
	BeforeIntent Step = "before-intent" // of a start: nothing is written down
	BeforeFork   Step = "before-fork"   // the intent is written down, no process exists
	AfterFork    Step = "after-fork"    // the process exists, nothing but its lock tells of it
	BeforeRecord Step = "before-record" // its identity is known and not written down
	AfterRecord  Step = "after-record"  // it is written down, and nobody was answered
	BeforeWish   Step = "before-wish"   // of a stop: the wish has not ended
	BeforeSignal Step = "before-signal" // the wish has ended, the process runs
	AfterSignal  Step = "after-signal"  // the process has ended, the record says that it runs
)

// Steps lists them all.
func Steps() []Step {
	return []Step{BeforeIntent, BeforeFork, AfterFork, BeforeRecord, AfterRecord, BeforeWish, BeforeSignal, AfterSignal}
}

// Agent runs the collectors of one machine.
type Agent struct {
	cfg    AgentConfig
	log    *slog.Logger
	starts *rate.Limiter

	mu      sync.Mutex
	actors  map[int64]*actor // by row
	closing bool             // no new actors
	acting  sync.WaitGroup
}

const startBurst = 100

// NewAgent makes an agent.
func NewAgent(cfg AgentConfig) *Agent {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 10 * time.Second
	}
	if cfg.Backoff == (backoff.Policy{}) {
		cfg.Backoff = backoff.Policy{First: 500 * time.Millisecond, Cap: time.Minute, Jitter: 0.2}
	}
	if cfg.Healthy <= 0 {
		cfg.Healthy = 2 * time.Minute
	}
	if cfg.StartsPerSecond <= 0 {
		cfg.StartsPerSecond = 50
	}
	if cfg.ReviewEvery <= 0 {
		cfg.ReviewEvery = 30 * time.Second
	}
	return &Agent{
		cfg: cfg, log: cfg.Logger, actors: make(map[int64]*actor),
		starts: rate.NewLimiter(rate.Limit(cfg.StartsPerSecond), startBurst),
	}
}

// Run adopts what runs already, takes orders and commands, and keeps the collectors running until ctx
// ends. Then it stops them all side by side, which leaves them wanted (or leaves them running, with
// Detach), and returns when that is done. An Agent runs once.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer a.acting.Wait() // actors end with ctx
	defer a.close()
	if !a.begin(ctx) {
		return nil
	}
	var parts sync.WaitGroup
	run := func(what string, part func() error) {
		parts.Go(func() {
			if err := part(); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	run("serve the commands to the agent", func() error {
		return a.cfg.Work.ServeCommands(ctx, a.cfg.Name, a.obey)
	})
	run("take the agent's orders", func() error {
		return a.cfg.Work.Assignments(ctx, bus.AgentConfig{Name: a.cfg.Name, AckWait: a.cfg.AckWait}, a.hold)
	})
	a.reviewAll(ctx)
	a.close() // orders are held until their actors have ended
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// begin takes up what runs already, before anything else is started or asked. Without the database
// nothing is known, so it is waited for; false when ctx ended before.
func (a *Agent) begin(ctx context.Context) bool {
	for attempt := 0; ; attempt++ {
		err := a.review(ctx, true)
		if err == nil {
			a.endStrays(ctx)
			return ctx.Err() == nil
		}
		pause := a.cfg.Backoff.Draw(attempt)
		if ctx.Err() == nil {
			a.log.Warn("the agent cannot read what it has to look after; it tries again", "in", pause, "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// reviewAll compares rows with what runs until ctx ends.
func (a *Agent) reviewAll(ctx context.Context) {
	ticker := time.NewTicker(a.cfg.ReviewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		a.cutLogs()
		if err := a.review(ctx, false); err != nil && ctx.Err() == nil {
			a.log.Warn("the agent cannot compare what is wanted with what runs; it tries again", "in", a.cfg.ReviewEvery, "error", err)
		}
	}
}

// hold runs one order for as long as it holds it.
func (a *Agent) hold(ctx context.Context, h *bus.Held) error {
	o, err := decode[order](h.Assignment().Payload)
	if err != nil {
		a.log.Error("an order that cannot be read is dropped", "id", h.Assignment().ID, "error", err)
		return h.Done()
	}
	row, err := a.cfg.Rows.registry.CollectorByID(ctx, o.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && row.Spec.Key() != o.Key:
		a.log.Warn("an order of another database is dropped", "id", o.ID, "collector", o.Key)
		return errors.Join(h.Answer(encode(answer{Failed: "its record is gone"})), h.Done())
	case err != nil:
		return err // it comes back in a moment
	}
	x := a.engage(ctx, row, nil, o.First && !h.Redelivered())
	if x == nil {
		return nil // we are ending, and the next agent gets it
	}
	select {
	case <-x.launched:
		if err := h.Answer(encode(x.firstWords())); err != nil {
			a.log.Warn("an order could not be answered", "id", o.ID, "error", err)
		}
	case <-x.ended:
	case <-ctx.Done():
	}
	select {
	case <-x.ended:
	case <-ctx.Done():
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, bus.ErrWithdrawn):
			return nil // the same collector is ordered anew: the actor goes on, under the new order
		case errors.Is(cause, bus.ErrLost):
			x.lose()
		}
		<-x.ended // the order must not go to another agent while the process runs
	}
	if x.over {
		return h.Done()
	}
	return nil
}

// engage gives the actor of a row, and begins one where there is none, with a process that was
// adopted or nil. nil when the agent is ending.
func (a *Agent) engage(ctx context.Context, row collector.Record, adopted *proc.Process, first bool) *actor {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x := a.actors[row.ID]; x != nil || a.closing {
		if adopted != nil {
			adopted.Close()
		}
		return x
	}
	x := newActor(a, row, adopted, first)
	a.actors[row.ID] = x
	// The actor outlives the order that began it; it ends with the agent.
	ctx = context.WithoutCancel(ctx)
	a.acting.Go(func() {
		x.run(ctx)
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.actors, row.ID)
		close(x.ended)
	})
	return x
}

// close ends all actors.
func (a *Agent) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closing = true
	for _, x := range a.actors {
		x.close()
	}
}

// all lists the actors.
func (a *Agent) all() []*actor {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*actor, 0, len(a.actors))
	for _, x := range a.actors {
		list = append(list, x)
	}
	return list
}

// list tells what all actors look after, at this moment.
func (a *Agent) list() []running {
	actors := a.all()
	list := make([]running, len(actors))
	for i, x := range actors {
		list[i] = x.report()
	}
	return list
}

func (a *Agent) actor(id int64) *actor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.actors[id]
}

// obey answers a command.
func (a *Agent) obey(ctx context.Context, payload []byte) []byte {
	c, err := decode[command](payload)
	if err != nil {
		a.log.Warn("a command could not be read", "error", err)
		return encode(reply{Outcome: outcomeFailed, Failed: err.Error()})
	}
	switch c.Op {
	case opList:
		return encode(reply{Runs: a.list()})
	case opStop:
		x := a.actor(c.ID)
		if x == nil {
			return encode(reply{Outcome: outcomeUnknown})
		}
		return encode(x.stop(ctx, c.PID))
	}
	return encode(reply{Outcome: outcomeFailed, Failed: fmt.Sprintf("the agent knows no command %.40q", c.Op)})
}
