package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// Rows are the registry's records as the Fleet and the Agent of one process change them: each
// change reads the row, edits it and writes it, one at a time for each row. So neither overwrites
// what the other one wrote. In different processes a change may meet another one between its
// reading and its writing; both sides read again what they wrote where that matters.
type Rows struct {
	registry store.Registry
	locks    [64]sync.Mutex // by ID
}

// NewRows puts a registry behind locks. A Fleet and an Agent of one process share it.
func NewRows(registry store.Registry) *Rows { return &Rows{registry: registry} }

// change edits a row and gives what was stored. When edit returns an error nothing is written. It
// never makes a row wanted that is not. store.ErrNotFound when the row is gone.
func (r *Rows) change(ctx context.Context, id int64, edit func(*collector.Record) error) (collector.Record, error) {
	lock := &r.locks[uint64(id)%uint64(len(r.locks))]
	lock.Lock()
	defer lock.Unlock()
	before, err := r.registry.CollectorByID(ctx, id)
	if err != nil {
		return collector.Record{}, fmt.Errorf("read the record of collector %d: %w", id, err)
	}
	row := before
	if err := edit(&row); err != nil {
		return before, err
	}
	row.ID, row.Spec = before.ID, before.Spec
	row.Wanted = row.Wanted && before.Wanted
	row.StartedAt, row.StoppedAt = stored(row.StartedAt), stored(row.StoppedAt)
	row.LastError = shorten(row.LastError)
	if !before.MayBecome(row.Status) {
		return before, fmt.Errorf("the record of collector %d is %s and cannot become %s", id, before.Status, row.Status)
	}
	if row == before {
		return row, nil
	}
	if err := r.registry.UpdateCollector(ctx, row); err != nil {
		return before, fmt.Errorf("write the record of collector %d: %w", id, err)
	}
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
