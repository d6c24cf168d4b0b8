package supervise

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stuckAfter is how long a round of the agent may take: it asks the registry every second, and each
// question has its own bound.
const stuckAfter = time.Minute

// turn notes that the agent goes round.
func (a *Agent) turn() {
	now := time.Now()
	a.turned.Store(&now)
}

// Working tells why the agent does not do its work; nil when it does: it says that it lives, takes orders,
// and compares what is wanted with what runs. Of one that has only just begun it waits for that until ctx
// ends. That the database is away stops no collector, and is not told here once the agent has begun.
func (a *Agent) Working(ctx context.Context) error {
	select {
	case <-a.serving:
	case <-ctx.Done():
		return errors.New("the agent takes no orders yet: the log says what it waits for")
	}
	if a.ending.Err() != nil {
		return errors.New("the agent has ended")
	}
	if still := time.Since(*a.turned.Load()); still > stuckAfter {
		return fmt.Errorf("the agent has compared nothing for %s with what runs: something holds it up", still.Round(time.Second))
	}
	return nil
}
