package exchange

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Bounds of a broker's line.
const (
	maxPoll    = 5 * time.Second // that a request of another process stands in line before it is answered
	maxLine    = 8192            // requests in line
	maxHeld    = 64              // of them, of one collector
	maxSeats   = 8192            // collectors that are remembered
	seatAge    = 10 * time.Minute
	fullPause  = 500 * time.Millisecond // before who found no place asks again
	lookEvery  = time.Second            // at the file: orphans may have put a ban there
	saveWithin = time.Second            // that a connection attempt is put into the file
)

// BrokerConfig says which budget a Broker keeps.
type BrokerConfig struct {
	Exchange string // the venue's name
	// File is where the ban that runs, the limit that the venue named and the newest connection
	// attempts outlive this process. Collectors that are on their own read and write it too. Empty:
	// nothing outlives it.
	File string
	// Connects is how many connection attempts the venue allows in ConnectWindow; 0 means
	// DefaultConnects.
	Connects int
	Logger   *slog.Logger // nil: silent
}

// Broker keeps the one budget of a venue that all processes of a machine draw on: a window of weight,
// the connection attempts, and the ban. Requests stand in line by class (Class), and within a class
// the collectors take turns. What the venue counts is believed, whoever was told it; a ban that
// anybody is told stops everybody at once. It is safe for use by many goroutines.
type Broker struct {
	config BrokerConfig
	log    *slog.Logger

	mu       sync.Mutex
	account  account
	weights  queue
	connects queue
	seats    map[string]*seat
	dirty    bool      // the file is not what it should be
	planned  time.Time // when Run looks next
	wake     chan struct{}

	file os.FileInfo // of Run: what was last read or written
}

// NewBroker takes up the budget of a venue where the file left it. A file that cannot be read is told
// to the log and replaced.
func NewBroker(config BrokerConfig) *Broker {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Broker{config: config, log: config.Logger.With("exchange", config.Exchange), account: newAccount(), seats: make(map[string]*seat), wake: make(chan struct{}, 1)}
	b.account.wary = true
	if config.Connects > 0 {
		b.account.connects = config.Connects
	}
	if config.File == "" {
		return b
	}
	kept, err := readMemory(config.File)
	if err != nil {
		b.log.Warn("what was known of the exchange's limits cannot be read; it is learnt anew", "error", err)
		return b
	}
	now := time.Now()
	for _, at := range kept.Attempts {
		b.account.attempt(time.UnixMilli(at))
	}
	b.account.forgetAttempts(now)
	weight, window := kept.limits()
	b.account.setLimit(now, weight, window)
	if ban, ok := kept.ban(config.Exchange, now); ok && b.account.stop(now, ban) {
		b.log.Warn("the exchange refuses requests, as an earlier process was told; nobody asks before", "until", ban.Until)
	}
	return b
}

// Run keeps the line moving until ctx ends: it answers whose time in line is over, serves on when a
// window begins, and keeps the file. Those who wait at the end are told to ask again. One Run at a
// time.
func (b *Broker) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	looked, saved := time.Time{}, time.Time{}
	failing := false
	for {
		select {
		case <-ctx.Done():
			b.dismiss()
			if err := b.save(true); err != nil {
				b.log.Warn("what is known of the exchange's limits was not kept", "error", err)
			}
			return nil
		case <-timer.C:
		case <-b.wake:
		}
		now := time.Now()
		if now.Sub(looked) >= lookEvery {
			looked = now
			b.look(now)
		}
		b.mu.Lock()
		out, next := b.pump(now)
		if latest := now.Add(lookEvery); next.IsZero() || next.After(latest) {
			next = latest
		}
		b.planned = next
		urgent := b.dirty && b.account.banned(now)
		b.mu.Unlock()
		out.deliver()
		if urgent || now.Sub(saved) >= saveWithin {
			saved = now
			if err := b.save(false); (err != nil) != failing {
				if failing = err != nil; failing {
					b.log.Warn("what is known of the exchange's limits cannot be kept; a restart will not know of a ban", "error", err)
				} else {
					b.log.Info("what is known of the exchange's limits is kept again")
				}
			}
		}
		timer.Reset(max(next.Sub(now), time.Millisecond))
	}
}

// replies are answers that are given once the lock is free.
type replies []func()

func (r replies) deliver() {
	for _, give := range r {
		give()
	}
}

func (r *replies) add(some []*waiter, a answer) {
	for _, w := range some {
		*r = append(*r, func() { w.answer(a) })
	}
}

// says adds to an answer what whoever hears it should know when the broker is away. The lock is held.
func (b *Broker) says(a answer) answer {
	a.sharers, a.limit, a.window = len(b.seats), b.account.limit, b.account.window
	return a
}

// pump serves all who can be served now and tells when to look again, zero when nobody waits. The
// lock is held.
func (b *Broker) pump(now time.Time) (out replies, next time.Time) {
	everyone := func(*waiter) bool { return true }
	if b.account.banned(now) {
		ban := b.account.ban
		told := b.says(answer{ban: &ban})
		out.add(b.weights.drain(everyone), told)
		out.add(b.connects.drain(everyone), told)
		return out, time.Time{}
	}
	granted := b.says(answer{granted: true})
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for {
		w, again := b.nextWeight(now)
		if w == nil {
			sooner(again)
			break
		}
		b.account.spend(now, w.amount)
		out.add([]*waiter{w}, granted)
	}
	for {
		w, again := b.connects.next(func(w *waiter) time.Time {
			return b.account.spacedRoom(now, classRules[w.class].connects)
		})
		if w == nil {
			sooner(again)
			break
		}
		b.account.attempt(now)
		b.dirty = true
		out.add([]*waiter{w}, granted)
	}
	for _, q := range []*queue{&b.weights, &b.connects} {
		out.add(q.overdue(now), b.says(answer{}))
		sooner(q.soonest)
	}
	return out, next
}

// nextWeight gives the next request that fits. One that is larger than any window goes first when
// one is empty, or it would never go.
func (b *Broker) nextWeight(now time.Time) (*waiter, time.Time) {
	b.account.roll(now)
	if b.account.used == 0 {
		for class := range classes {
			if w := b.weights.head(class); w != nil && w.amount > b.account.share(classRules[class].ceiling) && b.account.room(now, w.amount, 100).IsZero() {
				b.weights.grant(w)
				return w, time.Time{}
			}
		}
	}
	return b.weights.next(func(w *waiter) time.Time {
		return b.account.room(now, w.amount, classRules[w.class].ceiling)
	})
}

// ask puts a request in line; give is called once, from this call or later, unless cancel was called
// before.
func (b *Broker) ask(r request, give func(answer)) (cancel func()) {
	now := time.Now()
	w := &waiter{request: r, arrived: now.Add(-r.waited), answer: give}
	if r.wait > 0 {
		w.ends = now.Add(r.wait)
	}
	q := &b.weights
	if r.amount == 0 {
		q = &b.connects
	}
	b.mu.Lock()
	var out replies
	var next time.Time
	if w.seat = b.seatOf(r.who, now); w.seat == nil || w.seat.held >= maxHeld || q.len() >= maxLine {
		out.add([]*waiter{w}, b.says(answer{after: fullPause}))
	} else {
		q.add(w)
		out, next = b.pump(now)
	}
	b.rouse(next)
	b.mu.Unlock()
	out.deliver()
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		q.remove(w)
	}
}

// seatOf gives a collector's place, nil when there are too many. The lock is held.
func (b *Broker) seatOf(who string, now time.Time) *seat {
	s := b.seats[who]
	if s == nil {
		if len(b.seats) >= maxSeats {
			b.forgetSeats(now)
		}
		if len(b.seats) >= maxSeats {
			return nil
		}
		s = &seat{}
		b.seats[who] = s
	}
	s.seen = now
	return s
}

// forgetSeats drops collectors that have not asked for a while. The lock is held.
func (b *Broker) forgetSeats(now time.Time) {
	for who, s := range b.seats {
		if s.held == 0 && now.Sub(s.seen) > seatAge {
			delete(b.seats, who)
		}
	}
}

// rouse makes Run look at the line sooner than it plans to. The lock is held.
func (b *Broker) rouse(at time.Time) {
	if at.IsZero() || !at.Before(b.planned) {
		return
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// change does something to the account and serves whom it lets through.
func (b *Broker) change(do func(now time.Time)) {
	b.mu.Lock()
	now := time.Now()
	do(now)
	out, next := b.pump(now)
	if b.dirty && b.account.banned(now) {
		next = now // it is written down at once
	}
	b.rouse(next)
	b.mu.Unlock()
	out.deliver()
}

// Observe notes the venue's own count of the weight used in the window that runs now.
func (b *Broker) Observe(used int) {
	b.change(func(now time.Time) { b.account.observe(now, used) })
}

// SetLimit sets the weight that the venue allows in one window.
func (b *Broker) SetLimit(weight int, window time.Duration) {
	b.change(func(now time.Time) {
		if b.account.setLimit(now, weight, window) {
			b.dirty = true
			b.log.Debug("the exchange named its limit", "weight", weight, "window", window)
		}
	})
}

// Ban stops all spending until a time.
func (b *Broker) Ban(ban BanError) {
	b.change(func(now time.Time) { b.stop(now, ban) })
}

// stop notes a ban; the lock is held.
func (b *Broker) stop(now time.Time, ban BanError) {
	ban.Exchange = b.config.Exchange
	if b.account.stop(now, ban) {
		b.dirty = true
		b.log.Warn("the exchange refuses requests; nobody asks before", "until", b.account.ban.Until, "status", ban.Status)
	}
}

// Usage is what is spent of a venue's budget at one moment.
type Usage struct {
	Used, Limit int           // weight, in the window that runs
	Window      time.Duration // its length
	Waiting     int           // requests and connection attempts in line
	Sharers     int           // processes that have asked lately
	BannedUntil time.Time     // zero when no ban runs
}

// Usage gives what is spent.
func (b *Broker) Usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.account.roll(now)
	u := Usage{
		Used: b.account.used, Limit: b.account.limit, Window: b.account.window,
		Waiting: b.weights.len() + b.connects.len(), Sharers: len(b.seats),
	}
	if b.account.banned(now) {
		u.BannedUntil = b.account.ban.Until
	}
	return u
}

// Banned gives the ban that runs now; ok is false when there is none.
func (b *Broker) Banned() (ban BanError, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.account.ban, b.account.banned(time.Now())
}

// Handle takes a message of a SharedBudget. reply is called at most once, now or later, from any
// goroutine; it is nil for a message that awaits no answer. What makes no sense is told to the log.
func (b *Broker) Handle(payload []byte, reply func(answer []byte)) {
	m, err := decodeMessage(payload)
	if err != nil {
		b.log.Debug("a message to the budget was not understood", "error", err)
		return
	}
	if m.Limit > 0 {
		b.learn(m.Limit, time.Duration(m.Window)*time.Millisecond, m.Kind == kindLimit)
	}
	switch m.Kind {
	case kindUsed:
		b.Observe(m.Amount)
	case kindBan:
		b.Ban(BanError{Status: m.Status, Until: time.UnixMilli(m.Until)})
	case kindWeight, kindConnect:
		if reply == nil {
			return
		}
		if m.Alone {
			b.mu.Lock()
			b.account.doubt(time.Now())
			b.mu.Unlock()
		}
		b.ask(m.request(), func(a answer) { reply(encodeAnswer(a)) })
	}
}

// learn takes over a limit. What comes with a request may be older than what we know, and counts
// only while we know nothing.
func (b *Broker) learn(weight int, window time.Duration, fresh bool) {
	b.mu.Lock()
	known := b.account.limit != DefaultWeight || b.account.window != DefaultWindow
	b.mu.Unlock()
	if fresh || !known {
		b.SetLimit(weight, window)
	}
}

// dismiss tells all who wait to ask again.
func (b *Broker) dismiss() {
	b.mu.Lock()
	var out replies
	for _, q := range []*queue{&b.weights, &b.connects} {
		out.add(q.drain(func(*waiter) bool { return true }), b.says(answer{after: fullPause}))
	}
	b.mu.Unlock()
	out.deliver()
}

// look takes over a ban that somebody else has put into the file.
func (b *Broker) look(now time.Time) {
	b.mu.Lock()
	b.forgetSeats(now)
	b.mu.Unlock()
	if b.config.File == "" {
		return
	}
	info, err := os.Stat(b.config.File)
	if err != nil || b.file != nil && os.SameFile(info, b.file) && info.ModTime().Equal(b.file.ModTime()) {
		return
	}
	b.file = info
	kept, err := readMemory(b.config.File)
	if err != nil {
		b.mu.Lock()
		b.dirty = true // it is replaced
		b.mu.Unlock()
		return
	}
	if ban, ok := kept.ban(b.config.Exchange, now); ok {
		b.mu.Lock()
		b.stop(now, ban)
		b.mu.Unlock()
	}
}

// save brings the file up to date; at the end also what it would not be worth otherwise.
func (b *Broker) save(last bool) error {
	if b.config.File == "" {
		return nil
	}
	now := time.Now()
	b.mu.Lock()
	if !b.dirty && !last {
		b.mu.Unlock()
		return nil
	}
	b.dirty = false
	b.account.forgetAttempts(now)
	m := memory{Limit: b.account.limit, Window: b.account.window.Milliseconds()}
	for _, at := range b.account.attempts[max(0, len(b.account.attempts)-maxAttempts):] {
		m.Attempts = append(m.Attempts, at.UnixMilli())
	}
	if b.account.banned(now) {
		m.remember(b.account.ban)
	}
	b.mu.Unlock()
	// What somebody else wrote since the last look must not be lost.
	if kept, err := readMemory(b.config.File); err == nil {
		if ban, ok := kept.ban(b.config.Exchange, now); ok {
			m.remember(ban)
		}
	}
	err := m.write(b.config.File)
	if err != nil {
		b.mu.Lock()
		b.dirty = true
		b.mu.Unlock()
		return fmt.Errorf("keep the budget of %s: %w", b.config.Exchange, err)
	}
	return nil
}

// Budget gives a budget for who is in the broker's own process. Its requests are of the class
// ClassLive when they name none: somebody waits for the answer.
func (b *Broker) Budget(who string) Budget { return brokerBudget{Broker: b, who: who} }

type brokerBudget struct {
	*Broker
	who string
}

// Spend waits in line until weight more may be spent, or until ctx ends.
func (b brokerBudget) Spend(ctx context.Context, weight int) error {
	return b.draw(ctx, request{amount: max(weight, 1)})
}

// Connect waits in line until another connection may be attempted.
func (b brokerBudget) Connect(ctx context.Context) error { return b.draw(ctx, request{}) }

func (b brokerBudget) draw(ctx context.Context, r request) error {
	r.who, r.class = b.who, classOf(ctx, ClassLive)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		answers := make(chan answer, 1)
		cancel := b.ask(r, func(a answer) { answers <- a })
		select {
		case <-ctx.Done():
			cancel()
			return ctx.Err()
		case a := <-answers:
			if a.granted {
				return nil
			}
			if a.ban != nil {
				return a.ban
			}
			if err := pause(ctx, a.after); err != nil {
				return err
			}
		}
	}
}

// pause waits, or until ctx ends, which it tells.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
