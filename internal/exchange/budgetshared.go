package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// What a process takes when it cannot reach its broker: others on the machine cannot either, and
// nobody adds them up but the venue.
const (
	aloneTotal = 50 // per cent of the limit: how full it lets a window become, by the venue's count
	aloneOwn   = 10 // per cent of the limit: what it spends itself, at most
	// alonePatience is how long it waits on its own before it looks for the broker again.
	alonePatience = 2 * time.Second
	// awayFor is how long the broker is not asked after it could not be reached, awayForLong after it
	// was there and gave no answer.
	awayFor     = time.Second
	awayForLong = 10 * time.Second
	// replyMargin is how long after the end of its time in line a request's answer may come.
	replyMargin = 2 * time.Second
)

// Line carries messages to the broker of a machine.
type Line interface {
	// Ask sends a request and waits for its answer until ctx ends. It fails at once when nobody is
	// there who could answer.
	Ask(ctx context.Context, request []byte) (answer []byte, err error)
	// Tell sends what needs no answer. Best effort.
	Tell(message []byte) error
}

// SharedConfig says whose budget a SharedBudget draws on.
type SharedConfig struct {
	Exchange string // the venue's name
	Who      string // the collector: all of a machine take turns
	Line     Line
	File     string       // the broker's file (BrokerConfig.File); empty: none
	Logger   *slog.Logger // nil: silent
}

// SharedBudget is a Budget of a process beside others on one machine: it asks the Broker. While that
// cannot be reached it goes on alone, with a small part of the limits, and with what it knows of a
// ban; it goes back as soon as the broker answers. Its requests are of the class ClassRepair when
// they name none. It is safe for use by many goroutines.
type SharedBudget struct {
	config SharedConfig
	log    *slog.Logger
	alone  *loneBudget

	mu     sync.Mutex
	limit  int // as the venue has named it; 0: not yet
	window time.Duration
	away   time.Time // until when the broker is not asked
	lost   bool      // it could not be reached when it was last asked
}

var _ Budget = (*SharedBudget)(nil)

// NewSharedBudget starts with what the file knows.
func NewSharedBudget(config SharedConfig) *SharedBudget {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	b := &SharedBudget{config: config, log: config.Logger.With("exchange", config.Exchange), alone: newLoneBudget()}
	b.limit, b.window = b.read().limits()
	b.alone.SetLimit(b.limit, b.window)
	return b
}

// read takes over a ban from the file, and gives what else is there.
func (b *SharedBudget) read() memory {
	if b.config.File == "" {
		return memory{}
	}
	kept, err := readMemory(b.config.File)
	if err != nil {
		b.log.Debug("what is known of the exchange's limits cannot be read", "error", err)
		return memory{}
	}
	if ban, ok := kept.ban(b.config.Exchange, time.Now()); ok {
		b.alone.Ban(ban)
	}
	return kept
}

// Spend waits until the broker grants weight, or until ctx ends. While the venue has banned us it
// returns a *BanError at once.
func (b *SharedBudget) Spend(ctx context.Context, weight int) error {
	weight = max(weight, 1)
	return b.draw(ctx, message{Kind: kindWeight, Amount: weight}, func(ctx context.Context) error { return b.alone.Spend(ctx, weight) })
}

// Connect waits until the broker grants a connection attempt, or until ctx ends.
func (b *SharedBudget) Connect(ctx context.Context) error {
	return b.draw(ctx, message{Kind: kindConnect}, b.alone.Connect)
}

// draw asks the broker until it grants or names a ban; while it is away, alone is asked instead.
func (b *SharedBudget) draw(ctx context.Context, m message, alone func(context.Context) error) error {
	began := time.Now()
	m.Who, m.Class = b.config.Who, classOf(ctx, ClassRepair).String()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if ban, ok := b.alone.Banned(); ok {
			return &ban
		}
		if b.near() {
			m.Waited = time.Since(began).Milliseconds()
			a, err := b.ask(ctx, m)
			switch {
			case err == nil && a.granted:
				return nil
			case err == nil && a.ban != nil:
				b.alone.Ban(*a.ban)
				return a.ban
			case err == nil:
				if err := pause(ctx, a.after); err != nil {
					return err
				}
				continue
			case ctx.Err() != nil:
				return ctx.Err()
			}
		}
		b.read() // others who are alone may have been banned
		waiting, stop := context.WithTimeout(ctx, alonePatience)
		err := alone(waiting)
		timedOut := waiting.Err() != nil
		stop()
		if err == nil || !timedOut {
			return err
		}
	}
}

// near tells whether the broker is worth asking now.
func (b *SharedBudget) near() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !time.Now().Before(b.away)
}

// ask puts one request to the broker. A person is told once when it is away and once when it is back.
func (b *SharedBudget) ask(ctx context.Context, m message) (answer, error) {
	wait := maxPoll
	if ends, ok := ctx.Deadline(); ok {
		wait = max(min(wait, time.Until(ends)), time.Millisecond)
	}
	m.Wait = max(wait.Milliseconds(), 1)
	b.mu.Lock()
	m.Limit, m.Window = b.limit, b.window.Milliseconds()
	b.mu.Unlock()
	m.Alone = b.alone.spentAlone()
	payload, err := json.Marshal(m)
	if err != nil {
		return answer{}, err
	}
	timed, cancel := context.WithTimeout(ctx, wait+replyMargin)
	defer cancel()
	began := time.Now()
	reply, err := b.config.Line.Ask(timed, payload)
	var a answer
	if err == nil {
		a, err = decodeAnswer(b.config.Exchange, reply)
	}
	if err != nil && ctx.Err() != nil {
		return answer{}, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		pause := awayFor
		if time.Since(began) >= wait {
			pause = awayForLong
		}
		b.away = time.Now().Add(pause)
		if !b.lost {
			b.lost = true
			b.log.Info("the server does not share out the exchange's limits; until it does, a small part of them is used", "error", err)
		}
		return answer{}, fmt.Errorf("ask for a share of the limits of %s: %w", b.config.Exchange, err)
	}
	if b.lost {
		b.lost = false
		b.log.Info("the server shares out the exchange's limits again")
	}
	b.alone.together(a.sharers, a.granted)
	b.alone.SetLimit(a.limit, a.window)
	return a, nil
}

// tell sends what needs no answer.
func (b *SharedBudget) tell(m message) {
	payload, err := json.Marshal(m)
	if err == nil {
		err = b.config.Line.Tell(payload)
	}
	if err != nil {
		b.log.Debug("the broker of the exchange's limits was not told", "kind", m.Kind, "error", err)
	}
}

// Observe notes the venue's own count, and tells the broker.
func (b *SharedBudget) Observe(used int) {
	b.alone.Observe(used)
	b.tell(message{Kind: kindUsed, Amount: min(max(used, 0), maxLimit)})
}

// SetLimit sets the weight that the venue allows in one window, and tells the broker.
func (b *SharedBudget) SetLimit(weight int, window time.Duration) {
	if weight <= 0 || !validLimit(weight, window.Milliseconds()) {
		return
	}
	b.alone.SetLimit(weight, window)
	b.mu.Lock()
	b.limit, b.window = weight, window
	b.mu.Unlock()
	b.tell(message{Kind: kindLimit, Limit: weight, Window: window.Milliseconds()})
}

// Ban stops all spending until a time: that of this process, by the broker that of all, and by the
// file that of those which start later or are alone too.
func (b *SharedBudget) Ban(ban BanError) {
	ban.Exchange = b.config.Exchange
	b.alone.Ban(ban)
	b.tell(message{Kind: kindBan, Status: ban.Status, Until: ban.Until.Add(time.Millisecond - 1).UnixMilli()})
	if b.config.File == "" {
		return
	}
	if err := keepBan(b.config.File, ban, time.Now()); err != nil {
		b.log.Warn("the end of the exchange's ban cannot be kept; whoever starts before may ask in vain", "until", ban.Until, "error", err)
	}
}

// Banned gives the ban that runs now; ok is false when there is none.
func (b *SharedBudget) Banned() (ban BanError, ok bool) { return b.alone.Banned() }

// loneBudget is what a process allows itself while it cannot reach its broker.
type loneBudget struct {
	*LocalBudget
	own     int       // weight spent in the window that ends at ownEnds
	ownEnds time.Time //
	sharers int       // how many draw on the limits, as the broker last said
	slot    time.Time // before it, no connection is attempted; zero: not drawn yet
}

func newLoneBudget() *loneBudget {
	b := &loneBudget{LocalBudget: NewLocalBudget(nil)}
	b.account.alone = true
	return b
}

// share gives this process's part of something, at most most per cent of it.
func (b *loneBudget) share(of, most int) int {
	return min(of*most/100, of*sharePercent/100/max(b.sharers, 1))
}

// Spend waits until weight fits into the process's own part of the window, and into what the venue
// has counted. The first request of a window fits into any part.
func (b *loneBudget) Spend(ctx context.Context, weight int) error {
	return b.wait(ctx, func(now time.Time) (again time.Time) {
		if again = b.account.room(now, weight, aloneTotal); !again.IsZero() {
			return again
		}
		if !b.ownEnds.Equal(b.account.ends) {
			b.own, b.ownEnds = 0, b.account.ends
		}
		if b.own > 0 && b.own+weight > b.share(b.account.limit, aloneOwn) {
			return b.account.ends
		}
		b.own += weight
		b.account.spend(now, weight)
		return time.Time{}
	})
}

// Connect waits until another connection may be attempted. Where so many draw on the limits that
// all of them at once would be too many, each waits for a random moment of its own.
func (b *loneBudget) Connect(ctx context.Context) error {
	return b.wait(ctx, func(now time.Time) (again time.Time) {
		together := b.account.connects * sharePercent / 100
		if b.slot.IsZero() && b.sharers > together/2 {
			spread := ConnectWindow * time.Duration(b.sharers) / time.Duration(together)
			b.slot = now.Add(time.Duration(rand.Int64N(int64(spread))))
		}
		if now.Before(b.slot) {
			return b.slot
		}
		if again = b.account.attemptRoom(now, b.share(b.account.connects, aloneOwn)); again.IsZero() {
			b.account.attempt(now)
		}
		return again
	})
}

// spentAlone tells whether something was spent in the running window, which the broker cannot know.
func (b *loneBudget) spentAlone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own > 0 && b.clock.Now().Before(b.ownEnds)
}

// together notes an answer of the broker: how many draw on the limits, and whether it has granted
// something, so that it knows of what was spent here.
func (b *loneBudget) together(sharers int, granted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sharers > 0 {
		b.sharers = sharers
	}
	if granted {
		b.own, b.slot = 0, time.Time{}
	}
}
