package supervise

import (
	"context"
	"errors"

	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/problem"
)

// Restart ends a collector's process gracefully, starts it anew under the same record without waiting
// for any pause, and returns when the new one runs. One that is between two lives is started at once.
// Whom a PID means is as for Stop. An agent that cannot be asked is not waited for: its collector runs
// on as it does.
func (f *Fleet) Restart(ctx context.Context, ref collector.Ref) (collector.Record, error) {
	return f.restart(ctx, ref, "")
}

// restart is Restart for a reason that the history tells; "" is a request.
func (f *Fleet) restart(ctx context.Context, ref collector.Ref, why string) (collector.Record, error) {
	row, err := f.find(ctx, ref)
	if err != nil {
		return row, err
	}
	if ref.ID != 0 {
		ref.PID = 0
	}
	// From here on the caller's patience does not count: what was ended is started.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.StopPatience+stopSlack)
	defer cancel()
	switch {
	case !row.Wanted:
		return row, notFound(nil) // it is about to end
	case row.Instance == "":
		return row, restartFailed(problem.Unavailable, nil, "no agent has taken it yet; it starts as soon as one does")
	}
	said, err := f.command(ctx, row.Instance, command{Op: opRestart, ID: row.ID, PID: ref.PID, Why: why})
	switch {
	case errors.Is(err, bus.ErrNoAgent):
		return row, restartFailed(problem.Unavailable, err, "its agent "+row.Instance+" is away")
	case err != nil:
		return row, restartFailed(problem.Unavailable, err, "the agent "+row.Instance+" does not answer; a restart that has begun goes on")
	case said.Outcome == outcomeUnknown && ref.PID != 0:
		return row, notFound(nil)
	case said.Outcome == outcomeUnknown:
		return row, restartFailed(problem.Unavailable, nil, "its agent "+row.Instance+" does not look after it at this moment; ask again")
	case said.Outcome != outcomeStarted:
		return row, restartFailed(problem.Internal, nil, said.Failed)
	}
	now, err := f.cfg.Rows.registry.CollectorByID(ctx, row.ID)
	if err != nil {
		f.cfg.Logger.Warn("the record of a restarted collector could not be read", "id", row.ID, "error", err)
		now = row
	}
	now.PID = said.PID // the row may trail behind
	return now, nil
}

func restartFailed(kind problem.Kind, cause error, detail string) error {
	return problem.New(kind, problem.CodeRestartFailed, cause, "The collector could not be restarted: {detail}.", "detail", detail)
}
