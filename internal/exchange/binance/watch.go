package binance

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// signs are the signs of life of a connection. Receive writes them, keep reads them; times are
// nanoseconds since born.
type signs struct {
	born   time.Time
	heard  atomic.Int64 // when the venue last said a whole message, or pinged
	pinged atomic.Int64 // when it last pinged, or answered a ping of ours
	begun  atomic.Int64 // when the message began that is being read; 0 between messages
}

func (s *signs) now() int64 { return max(1, int64(time.Since(s.born))) }

func (s *signs) since(at int64) time.Duration { return time.Since(s.born) - time.Duration(at) }

func (s *signs) ping() {
	now := s.now()
	s.heard.Store(now)
	s.pinged.Store(now)
}

func (s *signs) begin() { s.begun.Store(s.now()) }

func (s *signs) end() {
	s.heard.Store(s.now())
	s.begun.Store(0)
}

// watch looks, until ctx ends, for what TCP does not tell; the error is what it found:
//
//   - nothing at all for Silence: the peer has vanished without a word. An answer to a ping of ours is
//     not a word of the venue: whoever forwards for it may give it.
//   - no ping for half of that, which is asked about with a ping of our own (RFC 6455 wants an answer),
//     unanswered for the other half: what we say, pongs included, does not arrive, whatever comes from
//     there. In ordinary times we never ping: it would count against five messages a second.
//   - a message that has begun and does not end within MessageTimeout.
func (c *conn) watch(ctx context.Context) error {
	silence, message := c.exchange.config.Silence, c.exchange.config.MessageTimeout
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if begun := c.signs.begun.Load(); begun != 0 && c.signs.since(begun) >= message {
			return nonsense(fmt.Errorf("a message has not ended within %s", message))
		}
		quiet := c.signs.since(c.signs.heard.Load())
		if quiet >= silence {
			return unavailable(fmt.Errorf("neither a frame nor a ping for %s", quiet.Round(time.Millisecond)),
				"The connection to {exchange} has gone silent; a new one is tried")
		}
		unpinged := c.signs.since(c.signs.pinged.Load())
		if unpinged >= silence/2 {
			if err := c.probe(ctx, silence/2); err != nil {
				return err
			}
			unpinged = 0
		}
		timer.Reset(min(message, silence-quiet, silence/2-unpinged))
	}
}

// probe pings the venue and waits for its answer.
func (c *conn) probe(ctx context.Context, patience time.Duration) error {
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch err := c.ws.Ping(timed); {
	case err == nil:
		c.signs.pinged.Store(c.signs.now())
		return nil
	case ctx.Err() != nil:
		return nil
	default:
		return unavailable(fmt.Errorf("no ping for %s, and ours is not answered: %w", (2*patience).Round(time.Millisecond), err),
			"The connection to {exchange} has gone silent; a new one is tried")
	}
}
