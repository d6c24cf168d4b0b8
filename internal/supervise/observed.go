package supervise

import (
	"context"
	"errors"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// save writes what the actor observed. errUnwanted when the wish has ended, errLost when the row is
// another agent's. That the registry cannot be reached is no error: it is tried again later.
func (x *actor) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	mine := x.row
	stored, err := x.agent.cfg.Rows.change(ctx, x.id, func(r *collector.Record) error {
		switch {
		case x.owned && r.Instance != x.agent.cfg.Name:
			return errLost
		case !x.owned && x.agent.isForeign(*r) && r.Revision != x.task.row.Revision:
			return errLost // it was free when it was read, and is not any more
		case r.Over():
			return errUnwanted
		}
		wanted, said := r.Wanted && mine.Wanted, r.LastError
		*r = mine
		r.Wanted = wanted
		if !wanted && r.LastError == "" {
			r.LastError = said // whoever ended the wish may have said why
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, errUnwanted):
		x.unsaved, x.row.Wanted = false, false
		return errUnwanted
	case errors.Is(err, errLost):
		x.unsaved = false
		return errLost
	case err != nil:
		if !x.unsaved {
			x.log("the registry does not take a collector's record; it is tried again", "in", saveAgain, "error", err)
		}
		x.unsaved = true
		return nil
	}
	x.unsaved, x.owned, x.row = false, stored.Instance == x.agent.cfg.Name, stored
	if !stored.Wanted {
		return errUnwanted
	}
	return nil
}

// fail notes a failure and what follows.
func (x *actor) fail(ctx context.Context, next restart, why string) {
	x.failures = next.failures
	x.row.Status, x.row.LastError, x.row.NextAttempt = collector.Failed, why, stored(time.Now().Add(next.after))
	x.log("a collector failed", "why", why, "failures", next.failures, "again in", next.after.Round(time.Millisecond))
	// Whether it is still wanted is asked again before the next start.
	if err := x.save(ctx); err != nil && !isEnd(err) {
		x.log("the failure of a collector was not recorded", "error", err)
	}
}

func (x *actor) log(text string, args ...any) {
	x.agent.log.Warn(text, append([]any{"id", x.id, "collector", x.spec.Key()}, args...)...)
}
