package proc

import (
	"sync"
	"time"
)

// breath is how long the census rests between two counts. Hundreds that end one after the other would
// keep it counting all the time, with the processor that they need to end; in a rest several come together.
const breath = 5 * time.Millisecond

// kin is where a process belongs.
type kin struct{ pid, group, session int }

// census counts the process table, once for all that ask at the same time: five hundred that are
// stopped together share a few counts instead of making five hundred.
type census struct {
	mu   sync.Mutex
	last *count // the newest one that has begun
	next *count // waits for last to end, and for a breath
}

type count struct {
	done   chan struct{}
	rested <-chan time.Time // has one value, a breath after the end
	table  []kin
	err    error
}

// take gives a table that was read after the call. It must not be changed.
func (c *census) take() ([]kin, error) {
	c.mu.Lock()
	if next := c.next; next != nil {
		c.mu.Unlock()
		<-next.done
		return next.table, next.err
	}
	mine, last := &count{done: make(chan struct{})}, c.last
	c.next = mine
	c.mu.Unlock()
	if last != nil {
		<-last.done
		<-last.rested
	}
	c.mu.Lock()
	c.last, c.next = mine, nil
	c.mu.Unlock()
	mine.table, mine.err = readKin()
	mine.rested = time.After(breath)
	close(mine.done)
	return mine.table, mine.err
}
