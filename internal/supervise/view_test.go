package supervise

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

// counted counts how often the rows are read.
type counted struct {
	*sqlite.Store
	read atomic.Int64
}

func (c *counted) Collectors(ctx context.Context, statuses ...collector.Status) ([]collector.Record, error) {
	c.read.Add(1)
	return c.Store.Collectors(ctx, statuses...)
}

func TestRecordsAreReadAgainOnlyWhenTheyHaveChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, other := &counted{Store: openStore(t, dir)}, openStore(t, dir) // as of another process
	v := newView(db, db)
	read := func(want int64, rows int) *records {
		t.Helper()
		rec, err := v.read(within(t))
		if err != nil || len(rec.rows) != rows || db.read.Load() != want {
			t.Fatalf("%+v after %d readings, error %v", rec, db.read.Load(), err)
		}
		return rec
	}
	read(1, 0)
	read(1, 0)
	row, err := other.CreateCollector(within(t), collector.Record{Spec: spec("QUIET"), StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	first := read(2, 1)
	if read(2, 1) != first || first.at[row.ID] != 0 {
		t.Errorf("%+v", first)
	}
	row.Wanted, row.Status, row.StoppedAt = false, collector.Stopped, time.Now()
	if err := other.UpdateCollector(within(t), row); err != nil {
		t.Fatal(err)
	}
	read(3, 0) // history
	unversioned := newView(db, nil)
	for want := range int64(3) {
		if _, err := unversioned.read(within(t)); err != nil || db.read.Load() != 4+want {
			t.Fatalf("%d readings, error %v", db.read.Load(), err)
		}
	}
}

func TestNobodyMissesWhatWasWrittenBeforeItAsked(t *testing.T) {
	t.Parallel()
	db := openStore(t, t.TempDir())
	v := newView(db, db)
	var writing sync.WaitGroup
	for i := range 4 {
		writing.Go(func() {
			for j := range 10 {
				row, err := db.CreateCollector(within(t), collector.Record{Spec: spec(string(rune('A'+i)) + string(rune('A'+j))), StartedAt: time.Now()})
				if err != nil {
					t.Error(err)
					return
				}
				rec, err := v.read(within(t))
				if err != nil {
					t.Error(err)
					return
				}
				if at, found := rec.at[row.ID]; !found || rec.rows[at].ID != row.ID {
					t.Errorf("collector %d was stored, and is missing", row.ID)
				}
			}
		})
	}
	writing.Wait()
}

var _ store.Registry = (*counted)(nil)
