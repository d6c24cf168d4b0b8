package e2e

import (
	"strings"
	"testing"
	"time"

	"velador/internal/store/postgres/pgtest"
)

// TestDatabaseThatIsAwayIsToldOnceAndCostsNothing takes the database away from a running server: its
// server is stopped, hangs, or (SQLite) its file is locked by somebody else.
func TestDatabaseThatIsAwayIsToldOnceAndCostsNothing(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stopped", "hangs", "locked"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t}
			var env []string
			if how != "locked" {
				w.cluster = pgtest.Start(t, pgtest.Config{})
				env = append(env, "DATABASE_URL="+w.cluster.Database(t))
			}
			w.site = newSite(t, env)
			server := w.site.serve(nil)
			start(t, server, ethBody)
			w.site.whole(server, "ETHUSDT", 2)
			var back func()
			if how == "stopped" {
				w.cluster.Stop(t)
				back = func() { w.cluster.Run(t) }
			} else {
				back = w.takeDatabase()
			}
			const ill, well = "the database does not take candles", "the database takes candles again"
			eventually(t, "it is told", 60*time.Second, func() bool { return told(server, ill) > 0 })
			time.Sleep(5 * time.Second) // ten candles of the market, that wait
			back()
			w.site.whole(server, "ETHUSDT", 12)
			eventually(t, "it is told that it is well", 60*time.Second, func() bool { return told(server, well) > 0 })
			server.stop()
			if a, b := told(server, ill), told(server, well); a != 1 || b != 1 {
				t.Errorf("trouble was told %d times, its end %d times", a, b)
			}
		})
	}
}

// told counts the lines of a server's log that say something.
func told(p *program, words string) int {
	n := 0
	for line := range strings.Lines(p.output.String()) {
		if strings.Contains(line, words) {
			n++
		}
	}
	return n
}
