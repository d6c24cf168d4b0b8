package supervise

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"velador/internal/collector"
	"velador/internal/proc"
	"velador/internal/store"
)

const (
	closesAtOnce = 8    // rows that are closed side by side
	maxLives     = 1000 // that are given at once
	someLives    = 20   // that are given when nobody says how many
)

// Status lists the collectors whose process runs at this moment, oldest first. Rows whose process is
// gone, and which no agent is about to start again, become stopped as a side effect; what is wanted
// of them is resumed by the next review. Processes on a machine whose agent does not answer cannot
// be seen: they are left out, and their rows are left as they are until the lease of that
// installation has run out.
func (f *Fleet) Status(ctx context.Context) ([]collector.Live, error) {
	rec, err := f.active.read(ctx)
	if err != nil {
		return nil, known(err)
	}
	live, strays := f.survey(ctx, rec, false)
	return f.addStrays(ctx, live, strays), nil
}

// All lists the collectors that are not history, oldest first: those of Status, and those that are
// wanted and have no process at this moment, with an Uptime of 0 and the phase in Vitals. The side
// effect is that of Status.
func (f *Fleet) All(ctx context.Context) ([]collector.Live, error) {
	rec, err := f.wishes.read(ctx)
	if err != nil {
		return nil, known(err)
	}
	live, strays := f.survey(ctx, rec, true)
	return f.addStrays(ctx, live, strays), nil
}

// Look gives one collector, dead or alive, as it is at this moment.
func (f *Fleet) Look(ctx context.Context, id int64) (collector.Live, error) {
	row, err := f.Collector(ctx, id)
	if err != nil {
		return collector.Live{}, err
	}
	if row.Over() {
		return idle(row), nil
	}
	seen, _ := f.survey(ctx, newRecords([]collector.Record{row}, 0), true)
	return seen[0], nil
}

// Collector gives one record, dead or alive.
func (f *Fleet) Collector(ctx context.Context, id int64) (collector.Record, error) {
	row, err := f.cfg.Rows.registry.CollectorByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return row, notFound(err)
	}
	return row, known(err)
}

// Lives gives how the newest lives of a collector ended, newest first: at most limit of them (20 when
// it is not positive, never more than 1,000).
func (f *Fleet) Lives(ctx context.Context, id int64, limit int) ([]collector.Life, error) {
	if _, err := f.Collector(ctx, id); err != nil {
		return nil, err
	}
	if f.cfg.Lives == nil {
		return nil, nil
	}
	if limit <= 0 {
		limit = someLives
	}
	lives, err := f.cfg.Lives.Lives(ctx, id, min(limit, maxLives))
	return lives, known(err)
}

// survey says what the rows are doing at this moment: with all each of them, else those whose process
// runs. Only rows that nobody looks after cost more than a glance at what the agents say. strays are
// processes that belong to none of the rows.
func (f *Fleet) survey(ctx context.Context, rec *records, all bool) (live []collector.Live, strays []running) {
	room, _ := f.rooms.Get().(*[]running)
	if room == nil {
		room = new([]running)
	}
	heard := f.hear(ctx, rec, *room)
	defer func() {
		*room = heard.runs
		f.rooms.Put(room)
	}()
	unheard := f.inspect(ctx, rec, &heard)
	live = make([]collector.Live, 0, len(rec.rows))
	now := time.Now()
	for i := range rec.rows {
		said := heard.said(i)
		if said != nil && said.PID != 0 {
			live = live[:len(live)+1]
			recount(&live[len(live)-1], &rec.rows[i], said, now)
			continue
		}
		one, inspected := unheard[i]
		switch {
		case !all && one.Uptime == 0:
			continue
		case !inspected:
			one = idle(rec.rows[i])
			if said != nil && said.Vitals.Phase != "" {
				one.Vitals = said.Vitals
			}
		}
		live = append(live, one)
	}
	return live, heard.strays
}

// recount puts together what the row and the agent say.
func recount(one *collector.Live, row *collector.Record, said *running, now time.Time) {
	one.Record, one.Uptime, one.Vitals = *row, said.Uptime, said.Vitals
	if said.PID != row.PID { // the row trails behind
		one.PID, one.StartedAt = said.PID, stored(now.Add(-said.Uptime))
	}
	if row.Status == collector.Stopped {
		one.Status, one.StoppedAt = collector.Running, time.Time{}
	}
}

// addStrays adds what agents run under rows that were read as stopped, or have just been made.
func (f *Fleet) addStrays(ctx context.Context, live []collector.Live, strays []running) []collector.Live {
	sorted := true
	for i := range strays {
		said := &strays[i]
		if said.PID == 0 {
			continue
		}
		row, err := f.cfg.Rows.registry.CollectorByID(ctx, said.ID)
		if err != nil || row.Over() {
			continue
		}
		var one collector.Live
		recount(&one, &row, said, time.Now())
		live, sorted = append(live, one), false
	}
	if !sorted {
		slices.SortFunc(live, func(a, b collector.Live) int { return cmp.Compare(a.ID, b.ID) })
	}
	return live
}

// idle describes a collector of which no process is known.
func idle(row collector.Record) collector.Live {
	one := collector.Live{Record: row}
	one.Vitals.Phase = one.Phase()
	if !row.Wanted && !row.Over() {
		one.Vitals.Phase = collector.PhaseStopping
	}
	return one
}

// inspect finds out about the rows with a process that no agent has in hand, and closes those that no agent
// mentions and whose process is gone. What it finds is given by the position of the row; who runs has an Uptime.
func (f *Fleet) inspect(ctx context.Context, rec *records, heard *hearing) map[int]collector.Live {
	var (
		found   map[int]collector.Live
		mu      sync.Mutex
		closing errgroup.Group
	)
	closing.SetLimit(closesAtOnce)
	for i := range rec.rows {
		row := &rec.rows[i]
		said := heard.said(i)
		if said != nil && said.PID != 0 || row.PID == 0 || row.Status == collector.Stopped {
			continue
		}
		if found == nil {
			found = make(map[int]collector.Live)
		}
		if said != nil { // its agent has taken it up, and may be about to adopt its process: that runs meanwhile
			if !f.isLocal(row.Instance) {
				continue
			}
			if age, verdict := f.look(*row); verdict == proc.Same {
				found[i] = collector.Live{Record: *row, Uptime: max(age, 1), Vitals: said.Vitals}
			}
			continue
		}
		one := idle(*row)
		if one.Vitals.Phase == collector.PhaseStarting {
			one.Vitals.Phase = collector.PhaseStale // a process that nobody hears
		}
		age, verdict := f.assess(ctx, *row, slices.Contains(heard.answered, row.Instance))
		if verdict == proc.Same {
			one.Uptime = max(age, 1)
		}
		mu.Lock()
		found[i] = one
		mu.Unlock()
		if verdict != proc.Gone {
			continue
		}
		closing.Go(func() error {
			closed := f.markStopped(ctx, *row)
			mu.Lock()
			defer mu.Unlock()
			found[i] = idle(closed)
			return nil
		})
	}
	_ = closing.Wait() // they report no error
	return found
}

// assess says what became of the process of a row that no agent looks after. What ran under our kernel
// and in our PID namespace can be looked at; of other machines and containers their own agent knows.
// That nothing runs any more counts only when the row's installation is dead, by its lease, or has
// said so: else it is about to start it again, or knows more than the row.
func (f *Fleet) assess(ctx context.Context, row collector.Record, answered bool) (age time.Duration, verdict proc.Verdict) {
	ours, neighbour := f.isLocal(row.Instance), f.isNeighbour(row)
	if ours || neighbour {
		age, verdict = f.look(row)
		if ours || verdict != proc.Gone || f.cfg.Leases == nil {
			return age, verdict
		}
	}
	if answered {
		return 0, proc.Gone
	}
	over, err := f.tenure.over(ctx, row.Instance)
	if err != nil {
		f.cfg.Logger.Debug("whether an installation lives cannot be told", "agent", row.Instance, "error", err)
	}
	if over {
		return 0, proc.Gone
	}
	return 0, proc.Unverifiable
}

// isNeighbour tells whether a row's process ran under this kernel, in this PID namespace.
func (f *Fleet) isNeighbour(row collector.Record) bool {
	return f.self.BootID != "" && f.self.Namespace != "" && row.BootID == f.self.BootID && row.Namespace == f.self.Namespace
}

// look verifies a process of this machine.
func (f *Fleet) look(row collector.Record) (age time.Duration, verdict proc.Verdict) {
	p, verdict, err := f.cfg.Processes.Open(identityOf(row))
	if err != nil {
		f.cfg.Logger.Debug("a process cannot be verified", "id", row.ID, "pid", row.PID, "error", err)
	}
	if p != nil {
		age = p.Age()
		p.Close()
	}
	return age, verdict
}

// markStopped notes that a process is gone, unless the row has gone on meanwhile, and gives the row
// as it is then.
func (f *Fleet) markStopped(ctx context.Context, seen collector.Record) collector.Record {
	now, err := f.cfg.Rows.change(ctx, seen.ID, func(r *collector.Record) error {
		if r.Identity != seen.Identity || r.Status == collector.Stopped {
			return errUnchanged
		}
		// How it ended, its agent finds out when it takes the row up again (LastExit).
		if words := unwatchedEnd(*r, f.self.BootID); words != "" {
			r.LastError = words
		}
		r.Status, r.StoppedAt = collector.Stopped, time.Now()
		return nil
	})
	switch {
	case err == nil, errors.Is(err, errUnchanged):
		return now
	case !errors.Is(err, store.ErrNotFound):
		f.cfg.Logger.Warn("the record of a dead collector could not be closed", "id", seen.ID, "error", err)
	}
	return seen
}
