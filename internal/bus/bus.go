// Package bus carries candles from collectors to the writer, assignments from the server to the
// agents, and everything said between them, over NATS: a server embedded in the process, or an
// external one.
//
// # What may be lost
//
// A message is written to the server's file before it is acknowledged: a server killed with kill -9
// loses nothing that it acknowledged. The file is handed to the disk (fsync) every SyncInterval, so a
// power failure may cost the acknowledged candles of that time that the writer had not committed to
// the database yet. They are the newest of their series, so a collector that takes the series up
// again finds them missing in the store (Resume) and fetches them again.
//
// # Order
//
// Messages of one Publisher are sent in the order in which they were handed over, and many are under way at
// once: where the stream was full and room came meanwhile, one that was refused arrives behind later ones.
// Of one candle no older form arrives behind a newer one, and a gap or an audit arrives behind all that was
// handed over before it. A batch is acknowledged as a whole before the next one is fetched. After a crash a message
// may be delivered twice, never out of turn with another one of the same candle.
package bus

import (
	"context"
	"errors"
	"time"

	"velador/internal/backoff"
	"velador/internal/problem"
)

// ErrClosed tells that the connection, the publisher or the consumer has been closed.
var ErrClosed = errors.New("the bus connection is closed")

// again is how requests are repeated while the bus cannot be reached.
var again = backoff.Policy{First: 100 * time.Millisecond, Cap: 5 * time.Second, Jitter: 0.3}

// unavailable gives an error that tells a user that the bus does not answer.
func unavailable(err error) error {
	return problem.New(problem.Unavailable, problem.CodeBusUnavailable, err,
		"The message bus does not answer. Try again in a moment; if this goes on, look at the server's log.")
}

// pause waits for d, or until ctx ends, which it tells.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
