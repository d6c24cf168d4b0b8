package store

import (
	"errors"
	"sync"

	"velador/internal/problem"
)

// ErrClosed tells that the store was closed before the call.
var ErrClosed = errors.New("the store is closed")

// Gate lets calls into a store until it is closed, and lets Close wait for those under way. Unlike
// a read-write lock, it never makes a call wait, so that what EachCandle calls may call the store.
type Gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

// Enter begins a call, which ends with Leave; it fails once the gate is shut.
func (g *Gate) Enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, ErrClosed,
			"The database has been closed because velador is stopping; ask again once it is running.")
	}
	g.inside.Add(1)
	return nil
}

// Leave ends a call.
func (g *Gate) Leave() { g.inside.Done() }

// Shut closes the gate and waits until every call has left. It tells whether this call shut it.
func (g *Gate) Shut() bool {
	g.mu.Lock()
	first := !g.closed
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
	return first
}
