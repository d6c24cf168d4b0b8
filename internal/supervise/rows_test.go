package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

func TestChangesOfTwoProcessesAreNeverLost(t *testing.T) {
	t.Parallel()
	for name, databases := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := databases(t)
			row, err := both[0].CreateCollector(within(t), collector.Record{Spec: spec("QUIET"), StartedAt: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			const writers, changes = 3, 15
			var changing sync.WaitGroup
			for _, db := range both {
				rows := NewRows(db)
				for range writers {
					changing.Go(func() {
						for range changes {
							if _, err := rows.change(within(t), row.ID, func(r *collector.Record) error { r.Restarts++; return nil }); err != nil {
								t.Error(err)
							}
						}
					})
				}
			}
			changing.Wait()
			got, err := both[1].CollectorByID(within(t), row.ID)
			if want := 2 * writers * changes; err != nil || got.Restarts != want || got.Revision != row.Revision+int64(want) {
				t.Errorf("%d changes left %+v, error %v", want, got, err)
			}
		})
	}
}

// contested is a registry in which somebody else is faster, a number of times.
type contested struct {
	store.Registry
	row    collector.Record
	faster int
}

func (c *contested) CollectorByID(context.Context, int64) (collector.Record, error) {
	return c.row, nil
}

func (c *contested) UpdateCollector(_ context.Context, r collector.Record) error {
	if c.faster > 0 {
		c.faster--
		c.row.Restarts++
		c.row.Revision++
	}
	if r.Revision != c.row.Revision {
		return fmt.Errorf("collector %d: %w", r.ID, store.ErrConflict)
	}
	c.row = r
	c.row.Revision++
	return nil
}

func TestChangeBeginsAgainWithWhatSomebodyElseWrote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := &contested{row: collector.Record{ID: 1, Wanted: true, Status: collector.Running, Revision: 4}, faster: 5}
		var seen []int
		got, err := NewRows(registry).change(t.Context(), 1, func(r *collector.Record) error {
			seen = append(seen, r.Restarts)
			r.LastError, r.Revision = "mine", 99 // an edit may bring a row of its own
			return nil
		})
		if err != nil || got.LastError != "mine" || got.Restarts != 5 || got != registry.row {
			t.Errorf("changed to %+v, stored %+v, error %v", got, registry.row, err)
		}
		if len(seen) != 6 || seen[5] != 5 {
			t.Errorf("the edit saw %v", seen)
		}
	})
}

func TestChangeThatIsAlwaysTooLateEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := &contested{row: collector.Record{ID: 1, Wanted: true, Status: collector.Running}, faster: 1 << 30}
		edit := func(r *collector.Record) error { r.LastError = "mine"; return nil }
		begun := time.Now()
		_, err := NewRows(registry).change(t.Context(), 1, edit)
		if !errors.Is(err, store.ErrConflict) || time.Since(begun) > changeTries*changeCap {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		hurried, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := NewRows(registry).change(hurried, 1, edit); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestChangeNeverMakesARowWantedAgain(t *testing.T) {
	t.Parallel()
	registry := &contested{row: collector.Record{ID: 1, Status: collector.Stopped}}
	rows := NewRows(registry)
	got, err := rows.change(within(t), 1, func(r *collector.Record) error { r.Wanted = true; return nil })
	if err != nil || got.Wanted {
		t.Errorf("%+v, error %v", got, err)
	}
	if _, err := rows.change(within(t), 1, func(r *collector.Record) error { r.Status = collector.Running; return nil }); err == nil {
		t.Error("history has begun again")
	}
}
