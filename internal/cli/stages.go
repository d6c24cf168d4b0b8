package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// stage is one long-running part of a program.
type stage struct {
	name string
	run  func(ctx context.Context) error
}

// runStages runs all stages side by side until ctx ends or one of them fails, and then stops them
// one after the other, the last one first: a stage may rely on those before it until it has ended.
// It returns when all have ended, with the errors of those that failed.
func runStages(ctx context.Context, stages []stage) error {
	type running struct {
		name string
		stop context.CancelFunc
		done chan error
	}
	failed := make(chan struct{}, len(stages))
	var started []running
	for _, s := range stages {
		// A stage is stopped by its turn, not by ctx: values pass, the end does not.
		stageCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := running{name: s.name, stop: stop, done: make(chan error, 1)}
		go func() {
			err := s.run(stageCtx)
			if stageCtx.Err() == nil {
				if err == nil {
					err = errors.New("it ended by itself")
				}
				failed <- struct{}{}
			} else if errors.Is(err, context.Canceled) {
				err = nil
			}
			r.done <- err
		}()
		started = append(started, r)
	}
	select {
	case <-ctx.Done():
	case <-failed:
	}
	var problems []error
	for _, r := range slices.Backward(started) {
		r.stop()
		if err := <-r.done; err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	return errors.Join(problems...)
}
