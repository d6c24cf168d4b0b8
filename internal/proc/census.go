package proc

import "sync"

// census counts the process table, once for all that ask at the same time: five hundred that are
// stopped together share a few counts instead of making five hundred.
type census struct {
	mu   sync.Mutex
	last *count // the newest one that has begun
	next *count // waits for last to end
}

type count struct {
	done  chan struct{}
	table []stat
	err   error
}

// take gives a table that was read after the call. It must not be changed.
func (c *census) take() ([]stat, error) {
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
	}
	c.mu.Lock()
	c.last, c.next = mine, nil
	c.mu.Unlock()
	mine.table, mine.err = readTable()
	close(mine.done)
	return mine.table, mine.err
}
