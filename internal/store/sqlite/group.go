package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// groupSize bounds how many changes share a transaction, so that a batch of candles that comes
// between two of them waits for some milliseconds only.
const groupSize = 128

// group lets small changes that wait for the writing connection at the same time share one
// transaction, and so one wait for the disk: each wait is longer than the change itself. Whoever
// comes while the disk is busy is in the next group; nobody waits for company. A change is answered
// when its transaction is on disk, as if it had been alone.
type group struct {
	writer *sql.DB

	mu      sync.Mutex
	waiting []*change
	led     bool               // a leader looks after those who wait
	giveUp  context.CancelFunc // ends the leader's own wait for the connection; nil while it does not wait
	leaders sync.WaitGroup
}

// change is what one caller wants done.
type change struct {
	ctx  context.Context
	do   func(context.Context, *sql.Tx) error
	done chan struct{} // closed when err says what came of it
	err  error
}

// carryOut has do done in a transaction, the context of which does not end. A caller whose own ctx
// ends before a transaction has taken up his change is answered at once, and it is not done; after
// that it is a matter of milliseconds, for which he waits.
func (g *group) carryOut(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	c := &change{ctx: ctx, do: do, done: make(chan struct{})}
	g.join(c)
	select {
	case <-ctx.Done():
		if g.leave(c) {
			return ctx.Err()
		}
		<-c.done
	case <-c.done:
	}
	return c.err
}

func (g *group) join(c *change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, c)
	if !g.led {
		g.led = true
		g.leaders.Go(g.lead)
	}
}

// leave takes a change back, unless a transaction has it.
func (g *group) leave(c *change) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.waiting, c)
	if at < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, at, at+1)
	if len(g.waiting) == 0 && g.giveUp != nil {
		g.giveUp()
	}
	return true
}

// lead makes one transaction after the other until nobody waits. Between two it gives the connection
// back, to a batch of candles that waits for it.
func (g *group) lead() {
	for {
		ctx, giveUp := context.WithCancel(context.Background())
		if !g.begin(giveUp) {
			giveUp()
			return
		}
		tx, err := g.writer.BeginTx(ctx, nil)
		members := g.take(ctx)
		switch {
		case err != nil:
		case len(members) == 0:
			_ = tx.Rollback() // nothing was done in it
		default:
			err = carryOutAll(tx, members)
		}
		giveUp()
		for _, c := range members {
			if err != nil {
				c.err = err // also instead of an answer: it was found in rows that are not stored
			}
			close(c.done)
		}
	}
}

// begin tells whether somebody waits; otherwise the leader is none any more.
func (g *group) begin(giveUp context.CancelFunc) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.led = len(g.waiting) > 0
	if g.led {
		g.giveUp = giveUp
	}
	return g.led
}

// take gives those whose turn it is; nobody when ctx has ended, which means that all had gone: who
// has come since is in the next transaction.
func (g *group) take(ctx context.Context) []*change {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.giveUp = nil
	if ctx.Err() != nil {
		return nil
	}
	members := slices.Clone(g.waiting[:min(len(g.waiting), groupSize)])
	g.waiting = slices.Delete(g.waiting, 0, len(members))
	return members
}

// wait returns when no leader is left, which is soon after the last caller has gone.
func (g *group) wait() { g.leaders.Wait() }

// carryOutAll does what the members want and commits. With an error nothing is stored of any.
func carryOutAll(tx *sql.Tx, members []*change) error {
	carryOut := (*change).carryOut
	if len(members) == 1 {
		carryOut = (*change).run // which needs no savepoint: the transaction is its own
	}
	for _, c := range members {
		if c.err = c.ctx.Err(); c.err != nil {
			continue
		}
		if err := carryOut(c, tx); err != nil {
			_ = tx.Rollback() // after some errors, such as a full disk, SQLite has done so already and says so
			return err
		}
	}
	return tx.Commit()
}

// carryOut runs one change of several, or takes back what it did and keeps its error. An error of
// carryOut is the end of the transaction.
func (c *change) carryOut(tx *sql.Tx) error {
	ctx := context.WithoutCancel(c.ctx)
	if _, err := tx.ExecContext(ctx, "SAVEPOINT change"); err != nil {
		return err
	}
	if c.err = c.run(tx); c.err != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO change"); err != nil {
			return c.err // the transaction is gone, and the savepoint with it
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE change")
	return err
}

// run does the change. Its statements are not interrupted when the caller's context ends: SQLite would
// take back the whole transaction, which is not this caller's alone.
func (c *change) run(tx *sql.Tx) error {
	if err := c.do(context.WithoutCancel(c.ctx), tx); err != nil {
		return err
	}
	return c.ctx.Err() // whoever gave up is not told that it was done
}
