package supervise

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// Rows are the registry's records as the Fleet and the Agent of one process change them: each
// change reads the row, edits it and writes it, if nobody has written it meanwhile; else it begins
// again with what is written now. So nobody overwrites what another one wrote, in this process or in
// another one on the same database. The locks spare those of one process the repetition.
type Rows struct {
	registry store.Registry
	locks    [64]sync.Mutex // by ID
}

// NewRows puts a registry behind locks. A Fleet and an Agent of one process share it.
func NewRows(registry store.Registry) *Rows { return &Rows{registry: registry} }

// Bounds of a change that meets others.
const (
	changeTries = 32
	changeAgain = 2 * time.Millisecond // the pause before the second try; it grows with the tries, up to
	changeCap   = 50 * time.Millisecond
)

// change edits a row and gives what was stored. edit is called again with the newer row when somebody
// else has written it meanwhile; when it returns an error nothing is written. A change never makes a
// row wanted that is not. store.ErrNotFound when the row is gone, store.ErrConflict when others were
// faster time and again.
func (r *Rows) change(ctx context.Context, id int64, edit func(*collector.Record) error) (collector.Record, error) {
	lock := &r.locks[uint64(id)%uint64(len(r.locks))]
	lock.Lock()
	defer lock.Unlock()
	pause := changeAgain
	for try := 1; ; try++ {
		row, err := r.try(ctx, id, edit)
		if !errors.Is(err, store.ErrConflict) || try == changeTries {
			return row, err
		}
		select {
		case <-ctx.Done():
			return row, errors.Join(err, context.Cause(ctx))
		case <-time.After(mathrand.N(pause)):
		}
		pause = min(2*pause, changeCap)
	}
}

// try is one reading, edit and writing.
func (r *Rows) try(ctx context.Context, id int64, edit func(*collector.Record) error) (collector.Record, error) {
	before, err := r.registry.CollectorByID(ctx, id)
	if err != nil {
		return collector.Record{}, fmt.Errorf("read the record of collector %d: %w", id, err)
	}
	row := before
	if err := edit(&row); err != nil {
		return before, err
	}
	row.ID, row.Spec, row.Revision = before.ID, before.Spec, before.Revision
	row.Wanted = row.Wanted && before.Wanted
	row.StartedAt, row.StoppedAt, row.NextAttempt = stored(row.StartedAt), stored(row.StoppedAt), stored(row.NextAttempt)
	row.LastExit.At = stored(row.LastExit.At)
	row.LastError, row.LastExit.Reason = shorten(row.LastError), shorten(row.LastExit.Reason)
	if !before.MayBecome(row.Status) {
		return before, fmt.Errorf("the record of collector %d is %s and cannot become %s", id, before.Status, row.Status)
	}
	if row == before {
		return row, nil
	}
	if err := r.registry.UpdateCollector(ctx, row); err != nil {
		return before, fmt.Errorf("write the record of collector %d: %w", id, err)
	}
	row.Revision++
	return row, nil
}

// errUnchanged: an edit found that there is nothing to change any more.
var errUnchanged = errors.New("there is nothing to change")

// stored gives a time as the registry keeps it.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// maxWords bounds what is kept of a reason, in bytes.
const maxWords = 600

func shorten(words string) string {
	if len(words) <= maxWords {
		return words
	}
	cut := maxWords
	for cut > 0 && words[cut]&0xC0 == 0x80 { // within a character
		cut--
	}
	return words[:cut] + "…"
}
