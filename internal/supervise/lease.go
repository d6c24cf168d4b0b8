package supervise

import (
	"context"
	"errors"
	"time"

	"velador/internal/collector"
	"velador/internal/proc"
	"velador/internal/store"
)

// acquireLease begins a new epoch of this installation's lease.
func (a *Agent) acquireLease(ctx context.Context) error {
	if a.cfg.Leases == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	lease, err := a.cfg.Leases.AcquireLease(ctx, a.cfg.Name, a.cfg.HostName, a.cfg.LeaseTTL)
	if err == nil {
		a.lease = lease
	}
	return err
}

// keepLease renews the lease until ctx ends, and then gives it back, so that others may take the
// collectors over at once. With Detach it does not: they run, and this installation comes back for
// them. That the database is away ends nothing: candles are facts, and two who write the same ones do
// no harm. Who has taken a collector over meanwhile is found by the review.
func (a *Agent) keepLease(ctx context.Context) {
	if a.cfg.Leases == nil {
		return
	}
	every := a.cfg.LeaseTTL / 3
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			a.releaseLease()
			return
		case <-ticker.C:
		}
		err := a.renewLease(ctx, every)
		switch {
		case err == nil && failing:
			a.log.Info("the lease of this installation is renewed again")
		case err != nil && !failing && ctx.Err() == nil:
			a.log.Warn("the lease of this installation cannot be renewed; the collectors go on, and when it has run out another installation may take them over", "again in", every, "error", err)
		}
		failing = err != nil
	}
}

// renewLease renews the lease, or begins a new one when it was lost: then somebody may have taken
// collectors over.
func (a *Agent) renewLease(ctx context.Context, patience time.Duration) error {
	renewing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lease, err := a.cfg.Leases.RenewLease(renewing, a.lease, a.cfg.LeaseTTL)
	switch {
	case err == nil:
		a.lease = lease
		return nil
	case !errors.Is(err, store.ErrLeaseLost):
		return err
	}
	a.log.Warn("the lease of this installation had run out, and somebody has ended it; it is taken anew, and the collectors that were taken over are left", "host", a.cfg.HostName)
	if err := a.acquireLease(ctx); err != nil {
		return err
	}
	a.reviewSoon()
	return nil
}

func (a *Agent) releaseLease() {
	if a.cfg.Detach || a.remains.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	if err := a.cfg.Leases.ReleaseLease(ctx, a.lease); err != nil {
		a.log.Warn("the lease of this installation could not be given back; it runs out by itself", "in", a.cfg.LeaseTTL, "error", err)
	}
}

// isForeign tells whether another installation may run a process for the row.
func (a *Agent) isForeign(row collector.Record) bool {
	return a.cfg.Leases != nil && row.Instance != "" && row.Instance != a.cfg.Name && row.Status != collector.Stopped
}

// mayTake tells whether the installation that has the row is dead, and its process too as far as can be
// heard. The row must have been read before, and be taken as it was read: then nobody who comes back to
// life has changed it.
func (a *Agent) mayTake(ctx context.Context, row collector.Record) (bool, error) {
	if !a.isForeign(row) {
		return true, nil
	}
	other, ask := a.strangers.about(row, a.eavesdrop)
	if !ask {
		return false, nil // somebody has just asked for us all
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	over, err := a.strangers.tenure.over(ctx, row.Instance)
	if err != nil || !over {
		return false, err
	}
	a.strangers.askAtOnce(other) // each of the others asks for its own row
	if holder, held, err := proc.ProbeLock(a.lockPath(row.Spec)); err == nil && held && holder.RunID == row.RunID {
		return true, nil // it runs on this machine, and is adopted
	}
	return !a.strangers.beats(other, row.RunID), nil
}

// eavesdrop listens to what the collectors of another installation say, until the agent ends.
func (a *Agent) eavesdrop(row collector.Record, heard func(runID string)) {
	a.log.Info("collectors of another installation are left to it; they are taken over when it ends", "installation", row.Instance, "host", row.Host)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		return
	}
	a.acting.Go(func() {
		err := a.cfg.Work.Beats(a.ending, row.Instance, func(b collector.Beat) { heard(b.RunID) })
		if err != nil && a.ending.Err() == nil {
			a.log.Warn("the collectors of another installation cannot be heard", "installation", row.Instance, "error", err)
		}
	})
}

// claim waits until a row may be run here, and gives it as it is then. False when it may not for so
// long that the order had better go round again, or when ctx ends.
func (a *Agent) claim(ctx context.Context, row collector.Record) (collector.Record, bool, error) {
	patience := time.NewTimer(2 * a.cfg.LeaseTTL)
	defer patience.Stop()
	for {
		news := a.news.next()
		free, err := a.mayTake(ctx, row)
		switch {
		case free:
			return row, true, nil
		case err != nil && ctx.Err() == nil:
			a.log.Debug("whether another installation lives cannot be told", "installation", row.Instance, "error", err)
		}
		changed := a.cfg.Versions == nil
		again := time.NewTimer(a.strangers.every)
		select {
		case <-ctx.Done():
		case <-patience.C:
			again.Stop()
			return row, false, nil
		case <-news:
			changed = true
		case <-again.C:
		}
		again.Stop()
		if ctx.Err() != nil {
			return row, false, nil
		}
		if !changed {
			continue
		}
		if row, err = a.cfg.Rows.registry.CollectorByID(ctx, row.ID); err != nil {
			return row, false, err
		}
	}
}
