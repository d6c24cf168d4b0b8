package storetest

import (
	"context"
	"sync"
	"sync/atomic"
)

// endingContext is cancelled when it has been asked for its Err a number of times: a way to end a
// call in its middle without a clock.
type endingContext struct {
	context.Context
	left atomic.Int64
	once sync.Once
	done chan struct{}
}

func (c *endingContext) Done() <-chan struct{} { return c.done }

func (c *endingContext) Err() error {
	if c.left.Add(-1) < 0 {
		c.once.Do(func() { close(c.done) })
		return context.Canceled
	}
	return nil
}
