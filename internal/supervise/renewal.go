package supervise

import (
	"context"
	"sync"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
)

// renewPause is for how long a collector is left alone after it was started anew for what the database
// lacks: what a new life does not mend, the next one will not either. An audit comes every hour.
const renewPause = 6 * time.Hour

// lacking is why a collector was started anew, in its history.
const lacking = "it had brought candles that the database does not have"

// Renewal starts collectors anew of which the database lacks what they have brought: after a database was
// restored from an older copy, or a bus on another machine lost what it had acknowledged. A collector goes
// by what it has handed over, and would never look back; one that begins goes by what is stored, and fetches
// the rest.
type Renewal struct {
	fleet *Fleet

	mu   sync.Mutex
	due  map[candle.Series]bool
	kick chan struct{}

	last map[int64]time.Time // by collector: when it was started anew; Run's own
}

// NewRenewal makes one for the collectors of a fleet. It does nothing before Run.
func (f *Fleet) NewRenewal() *Renewal {
	return &Renewal{fleet: f, due: make(map[candle.Series]bool), kick: make(chan struct{}, 1), last: make(map[int64]time.Time)}
}

// Lacks tells that the database lacks candles of some series. It returns at once.
func (r *Renewal) Lacks(series []candle.Series) {
	r.mu.Lock()
	for _, one := range series {
		r.due[one] = true
	}
	r.mu.Unlock()
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Run starts collectors anew until ctx ends. What does not succeed is left to the next audit.
func (r *Renewal) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.kick:
		}
		r.mu.Lock()
		due := r.due
		r.due = make(map[candle.Series]bool)
		r.mu.Unlock()
		for series := range due {
			r.renew(ctx, series)
		}
	}
}

// renew starts the collector of a series anew, if there is one and it has not just been.
func (r *Renewal) renew(ctx context.Context, series candle.Series) {
	log := r.fleet.cfg.Logger
	rec, err := r.fleet.wishes.read(ctx)
	if err != nil {
		log.Warn("a collector of which the database lacks candles could not be looked up; the next audit tells again", "series", series.String(), "error", err)
		return
	}
	row, found := inTheWay(rec.rows, collector.Spec{Exchange: series.Exchange, Timeframe: series.Timeframe}, []string{series.Symbol})
	if !found { // it has been stopped; whoever starts it goes by what is stored
		return
	}
	now := time.Now()
	if last, ok := r.last[row.ID]; ok && now.Sub(last) < renewPause {
		return
	}
	log.Warn("the database lacks candles that a collector has brought; it is started anew and fetches them", "id", row.ID, "collector", row.Spec.Key(), "series", series.String())
	if _, err := r.fleet.restart(ctx, collector.Ref{ID: row.ID}, lacking); err != nil {
		log.Warn("the collector could not be started anew; the next audit tells again", "id", row.ID, "error", err)
		return
	}
	r.last[row.ID] = now
}
