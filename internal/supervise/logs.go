package supervise

import (
	"context"
	"time"

	"velador/internal/logfile"
)

// tidyLogs keeps the logs of all collectors within their bounds until ctx ends: it compresses what they
// set aside, and removes the oldest of it.
func (a *Agent) tidyLogs(ctx context.Context) {
	ticker := time.NewTicker(a.cfg.ReviewEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := logfile.Tidy(ctx, a.cfg.Dir, logfile.Caps{PerLog: keptLogs * a.cfg.LogSize, Total: a.cfg.LogTotal})
		if err != nil && !failing && ctx.Err() == nil {
			a.log.Warn("the logs of the collectors cannot be kept within their bounds", "error", err)
		}
		failing = err != nil
	}
}

// keptLogs times LogSize is what one collector's log may take with all that was set aside of it: one
// that talks must not push out what the others have said.
const keptLogs = 8
