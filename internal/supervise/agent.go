package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
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
	// Command says how a collector's process is started; env is the whole environment. wanted is when the
	// collector was first wanted, as far as is known, by the clock of whoever was asked for it; zero where
	// nothing is known, or where its Spec says since when.
	Command func(r collector.Record, wanted time.Time) (path string, args, env []string)

	Leases   store.Leases   // where this instance says that it lives; nil: no other one uses the database
	Lives    store.Lives    // where ended lives of processes are kept; nil: nowhere
	Versions store.Versions // tells within a second that records have changed; nil: every ReviewEvery only

	Logger *slog.Logger
	Detach bool // leave the collectors running at the end
	// StopOrphans ends collectors that outlived their agent instead of adopting them; those that are
	// wanted are started anew.
	StopOrphans     bool
	LeaseTTL        time.Duration  // how long this instance is believed to live after its last sign; 15 s
	Silence         time.Duration  // how long a process may say nothing before it is started anew; 1 min; negative: for ever, beats are not expected
	MaxCollectors   int            // how many this agent looks after at most; 0: no bound
	LogSize         int64          // bytes after which a collector's log is set aside; 4 MiB
	LogTotal        int64          // bytes that all logs of the directory may take; 1 GiB
	Grace           time.Duration  // between SIGTERM and SIGKILL; 10 s: must exceed the last flush
	AckWait         time.Duration  // as bus.AgentConfig has it; 15 s
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
	cfg       AgentConfig
	log       *slog.Logger
	starts    *rate.Limiter
	lease     store.Lease // of whoever keeps it: begin, then keepLease
	strangers *strangers
	diary     *diary
	ear       ear
	news      bulletin      // the registry has changed
	room      bulletin      // a collector is not looked after any more
	again     chan struct{} // compare at once
	begun     chan struct{} // closed when what ran before is looked after
	serving   chan struct{} // closed when orders are taken
	turned    atomic.Pointer[time.Time]
	remains   atomic.Bool   // a process could not be ended
	adopted   atomic.Uint64 // see Adopted
	refused   atomic.Uint64 // see OrphansRefused
	ending    context.Context
	cease     context.CancelFunc

	mu      sync.Mutex
	actors  map[int64]*actor  // by row
	runs    map[string]*actor // by the run of their process
	doubts  map[int64]string  // by row: why its process cannot be verified
	closing bool              // no new actors
	acting  sync.WaitGroup
}

const startBurst = 100

// NewAgent makes an agent.
func NewAgent(cfg AgentConfig) *Agent {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Backoff == (backoff.Policy{}) {
		cfg.Backoff = backoff.Policy{First: 500 * time.Millisecond, Cap: time.Minute, Jitter: 0.2}
	}
	for _, one := range []struct {
		of        *time.Duration
		otherwise time.Duration
	}{
		{&cfg.LeaseTTL, 15 * time.Second}, {&cfg.Grace, 10 * time.Second}, {&cfg.Healthy, 2 * time.Minute}, {&cfg.ReviewEvery, 30 * time.Second},
	} {
		if *one.of <= 0 {
			*one.of = one.otherwise
		}
	}
	if cfg.Silence == 0 {
		cfg.Silence = time.Minute
	}
	// Who falls after each pause must not be taken for healthy.
	if longest := cfg.Backoff.Delay(1000, 1); cfg.Healthy <= longest {
		cfg.Healthy = 2 * longest
	}
	if cfg.StartsPerSecond <= 0 {
		cfg.StartsPerSecond = 50
	}
	if cfg.LogSize <= 0 {
		cfg.LogSize = 4 << 20
	}
	if cfg.LogTotal <= 0 {
		cfg.LogTotal = 1 << 30
	}
	if cfg.At == nil {
		cfg.At = func(Step) {}
	}
	ending, cease := context.WithCancel(context.Background())
	return &Agent{
		cfg: cfg, log: cfg.Logger, actors: make(map[int64]*actor), runs: make(map[string]*actor), doubts: make(map[int64]string),
		starts:    rate.NewLimiter(rate.Limit(cfg.StartsPerSecond), startBurst),
		strangers: newStrangers(cfg.Leases, cfg.LeaseTTL), diary: newDiary(cfg.Lives, cfg.Logger),
		again: make(chan struct{}, 1), begun: make(chan struct{}), serving: make(chan struct{}), ending: ending, cease: cease,
	}
}

// Run adopts what runs already, takes orders and commands, and keeps the collectors running until ctx
// ends. Then it stops them all side by side, which leaves them wanted (or leaves them running, with
// Detach), and returns when that is done. An Agent runs once.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// What is needed until the last actor has ended.
	lasting, leave := context.WithCancel(context.WithoutCancel(ctx))
	var staying sync.WaitGroup
	defer staying.Wait()
	defer leave()
	defer a.acting.Wait() // actors end with ctx
	defer a.close()

	if !a.insist(ctx, "the agent cannot say that it lives", a.acquireLease) {
		return nil
	}
	staying.Go(func() { a.keepLease(lasting) })
	staying.Go(func() { a.diary.run(lasting) })
	begin := func(ctx context.Context) error { return a.review(ctx, true) }
	if !a.insist(ctx, "the agent cannot read what it has to look after", begin) {
		return nil
	}
	close(a.begun)
	if a.endStrays(ctx); ctx.Err() != nil {
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
	run("listen to the collectors", func() error { return a.listen(ctx) })
	for _, part := range []func(context.Context){a.pulse, a.measure, a.tidyLogs} {
		parts.Go(func() { part(ctx) })
	}
	if a.cfg.Silence > 0 {
		parts.Go(func() { a.watchOver(ctx) })
	}
	a.turn()
	close(a.serving)
	a.reviewAll(ctx)
	a.close() // orders are held until their actors have ended
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// insist does something at the beginning until it succeeds: without the database nothing is known.
// False when ctx ended before.
func (a *Agent) insist(ctx context.Context, failed string, do func(context.Context) error) bool {
	for attempt := 0; ; attempt++ {
		err := do(ctx)
		if err == nil {
			return ctx.Err() == nil
		}
		pause := a.cfg.Backoff.Draw(attempt)
		if ctx.Err() == nil {
			a.log.Warn(failed+"; it tries again", "in", pause, "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// Adopted counts the processes that had outlived an agent and are looked after again, since this
// one began.
func (a *Agent) Adopted() uint64 { return a.adopted.Load() }

// OrphansRefused counts the times that a process was found which could not be verified, and so was
// neither adopted nor signalled, nor started a second time.
func (a *Agent) OrphansRefused() uint64 { return a.refused.Load() }

// engage gives the actor of a row, and begins one where there is none. nil when the agent is ending;
// errFull when it looks after as many as it may, and this one has no process yet.
func (a *Agent) engage(ctx context.Context, task task) (*actor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x, err := a.actors[task.row.ID], error(nil)
	if x == nil && a.cfg.MaxCollectors > 0 && len(a.actors) >= a.cfg.MaxCollectors && task.found == nil {
		err = errFull
	}
	if x != nil || a.closing || err != nil {
		if task.found != nil {
			task.found.Close()
		}
		return x, err
	}
	x = newActor(a, task)
	a.actors[task.row.ID] = x
	// The actor outlives the order that began it; it ends with the agent.
	ctx = context.WithoutCancel(ctx)
	a.acting.Go(func() {
		x.run(ctx)
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.actors, task.row.ID)
		close(x.ended)
		a.room.publish()
	})
	return x, nil
}

// close ends all actors.
func (a *Agent) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closing = true
	a.cease()
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

func (a *Agent) actor(id int64) *actor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.actors[id]
}

// register notes whose run is whose, for beats. former and next may be empty.
func (a *Agent) register(x *actor, former, next string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.runs, former)
	if next != "" {
		a.runs[next] = x
	}
}
