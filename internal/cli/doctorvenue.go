package cli

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"velador/internal/exchange"
)

// How far this machine's clock may be from the exchange's.
const (
	clockPoor   = time.Second
	clockBroken = 30 * time.Second
)

// meter is a budget that grants everything and notes what the exchange says has been used: the few
// requests of a check are in nobody's way.
type meter struct{ used atomic.Int64 }

func (*meter) Spend(context.Context, int) error { return nil }
func (*meter) Connect(context.Context) error    { return nil }
func (m *meter) Observe(used int)               { m.used.Store(int64(used)) }
func (*meter) SetLimit(int, time.Duration)      {}
func (*meter) Ban(exchange.BanError)            {}

// lookAtExchange asks each exchange for its clock, unless it refuses requests.
func (d *doctor) lookAtExchange(ctx context.Context) (found []finding) {
	for _, name := range exchangeNames {
		found = append(found, d.lookAtVenue(ctx, name)...)
	}
	return found
}

func (d *doctor) lookAtVenue(ctx context.Context, name string) []finding {
	log := slog.New(slog.DiscardHandler)
	kept := exchange.NewBroker(exchange.BrokerConfig{Exchange: name, File: budgetFile(filepath.Join(d.database.dataDir, budgetsName), name), Logger: log})
	const patience = "wait; asking earlier makes it longer. Other programs behind the same address may have caused it"
	if ban, ok := kept.Banned(); ok {
		return []finding{broken(name, patience, "%v, as a collector was told", &ban)}
	}
	m := new(meter)
	venue, err := d.exchanges.open(m, name, log)
	if err != nil {
		return []finding{broken(name, "correct that setting", "%v", err)}
	}
	if idle, ok := venue.(interface{ CloseIdle() }); ok {
		defer idle.CloseIdle()
	}
	_, err = venue.Time(ctx) // the first answer takes longer: it makes the connection
	var ban *exchange.BanError
	switch {
	case errors.As(err, &ban):
		return []finding{broken(name, patience, "%v", ban)}
	case err != nil:
		return []finding{broken(name, "look at the internet connection and the firewall; VELADOR_BINANCE_REST_URL names another address", "%v", err)}
	}
	asked := time.Now()
	at, err := venue.Time(ctx)
	took := time.Since(asked)
	if err != nil {
		return []finding{poor(name, "look at the internet connection", "it answered once, and then not: %v", err)}
	}
	limit := kept.Usage().Limit
	answer := well(name, "answers in %s; %d of %d of the request weight of this minute are used", max(took, time.Millisecond).Round(time.Millisecond), m.used.Load(), limit)
	if used := int(m.used.Load()); used > limit*9/10 {
		answer.State, answer.Do = isPoor, "nothing, if collectors back-fill; otherwise find out who else asks from this address"
	}
	return []finding{answer, clockFinding(asked.Add(took/2).Sub(at.Time()), took/2, name)}
}

// clockFinding judges how far this machine's clock is ahead of an exchange's, known to within margin.
func clockFinding(ahead, margin time.Duration, name string) finding {
	const (
		what = "clock"
		do   = "let the system keep the time: timedatectl set-ntp true, or chrony"
	)
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	f := well(what, "within %s of %s", max(margin, ahead.Abs(), time.Millisecond).Round(time.Millisecond), name)
	if off := ahead.Abs() - margin; off > clockPoor {
		f = poor(what, do, "%s %s %s", ahead.Abs().Round(100*time.Millisecond), direction, name)
		if off > clockBroken {
			f.State = isBroken
			f.Do += "; a simulator has a clock of its own, and there this means nothing"
		}
	}
	return f
}
