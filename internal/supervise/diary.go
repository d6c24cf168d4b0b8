package supervise

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// diaryRoom is how many ended lives wait for a database that is away. Beyond it the oldest are lost,
// which is history and no supervision.
const diaryRoom = 4096

// diary writes down how lives ended, behind the backs of the actors: none of them waits for it.
type diary struct {
	lives store.Lives // nil: nothing is kept
	room  int         // how many wait at most
	log   *slog.Logger

	mu      sync.Mutex
	waiting []collector.Life
	lost    int
	written chan struct{} // something waits
}

func newDiary(lives store.Lives, log *slog.Logger) *diary {
	return &diary{lives: lives, room: diaryRoom, log: log, written: make(chan struct{}, 1)}
}

// note takes a life that has ended.
func (d *diary) note(l collector.Life) {
	if d.lives == nil || l.RunID == "" {
		return
	}
	d.mu.Lock()
	d.keep(append(d.waiting, l))
	d.mu.Unlock()
	select {
	case d.written <- struct{}{}:
	default:
	}
}

// keep has lives wait, the newest of them when there are too many. d.mu is held.
func (d *diary) keep(waiting []collector.Life) {
	if more := len(waiting) - d.room; more > 0 {
		waiting = append(waiting[:0], waiting[more:]...)
		d.lost += more
	}
	d.waiting = waiting
}

// run saves what is noted until ctx ends, and then what is left if the database takes it.
func (d *diary) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
			defer cancel()
			if err := d.save(ctx); err != nil {
				d.log.Warn("how some lives of collectors ended is not written down", "error", err)
			}
			return
		case <-d.written:
		}
		if err := d.save(ctx); err == nil || ctx.Err() != nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(saveAgain):
		}
		select {
		case d.written <- struct{}{}:
		default:
		}
	}
}

// save writes down what waits. What fails waits on.
func (d *diary) save(ctx context.Context) error {
	for {
		d.mu.Lock()
		waiting, lost := d.waiting, d.lost
		d.waiting, d.lost = nil, 0
		d.mu.Unlock()
		if lost > 0 {
			d.log.Warn("how lives of collectors ended is lost: the database was away for too long", "lives", lost)
		}
		if len(waiting) == 0 {
			return nil
		}
		for i, l := range waiting {
			saving, cancel := context.WithTimeout(ctx, saveTimeout)
			err := d.lives.SaveLife(saving, l)
			cancel()
			if err != nil {
				d.mu.Lock()
				d.keep(append(waiting[i:], d.waiting...)) // with those that have come meanwhile
				d.mu.Unlock()
				return err
			}
		}
	}
}
