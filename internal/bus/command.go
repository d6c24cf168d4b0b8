package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrNoAgent tells that nobody serves the commands of this agent.
var ErrNoAgent = errors.New("no such agent is there")

// Bounds of what an agent or the server works on at once, and of what waits for its turn: all
// collectors of a machine may ask in the same second. What is beyond is dropped, and asked again.
const (
	maxCommands = 64
	maxQueued   = 4096
)

// ServeCommands answers the commands sent to an agent, each in a goroutine of its own, until ctx
// ends; it returns when every handle under way has returned and its answer is sent. A command that came
// in with the end of ctx is handled under a ctx that has ended.
func (c *Conn) ServeCommands(ctx context.Context, agent string, handle func(context.Context, []byte) []byte) error {
	subject := familyCommand + "." + escapeToken(agent)
	if agent == "" {
		return errors.New("serve commands: the agent has no name")
	}
	return c.serve(ctx, subject, "", func(ctx context.Context, msg *nats.Msg) {
		if err := msg.Respond(handle(ctx, msg.Data)); err != nil {
			c.log.Warn("the answer to a command was not sent", "agent", agent, "error", err)
		}
	})
}

// Command sends a command to an agent and waits for its answer until ctx ends, at most a minute.
// ErrNoAgent when nobody listens. It is sent once: whether to repeat it is the caller's to decide.
func (c *Conn) Command(ctx context.Context, agent string, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	msg, err := c.nats.RequestWithContext(ctx, familyCommand+"."+escapeToken(agent), payload)
	switch {
	case err == nil:
		return msg.Data, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("command the agent %q: %w", agent, ErrNoAgent)
	case errors.Is(err, nats.ErrConnectionClosed):
		return nil, ErrClosed
	}
	return nil, unavailable(fmt.Errorf("command the agent %q: %w", agent, err))
}

// serve runs handle for each message on a subject, concurrently up to maxCommands, until ctx ends and
// all have returned. A handle that is called after the end of ctx gets it ended.
func (c *Conn) serve(ctx context.Context, subject, queue string, handle func(context.Context, *nats.Msg)) error {
	messages := make(chan *nats.Msg, maxQueued)
	sub, err := c.nats.ChanQueueSubscribe(subject, queue, messages)
	if err == nil {
		err = c.nats.FlushTimeout(5 * time.Second) // whoever asks from now on is heard
	}
	if err != nil && !errors.Is(err, nats.ErrTimeout) && !isAway(err) {
		return fmt.Errorf("serve %s: %w", subject, err)
	}
	places := make(chan struct{}, maxCommands)
	var running sync.WaitGroup
	defer running.Wait()
	run := func(msg *nats.Msg) {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			handle(ctx, msg)
		})
	}
	for {
		select {
		case <-ctx.Done():
			// Whoever asks from now on is told that nobody listens; who asked before is answered, if only
			// with a refusal. The flush returns when no more can come.
			err := sub.Drain()
			if err == nil {
				err = c.nats.FlushTimeout(5 * time.Second)
			}
			if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
				c.log.Debug("stop serving", "subject", subject, "error", err)
			}
			for {
				select {
				case msg := <-messages:
					run(msg)
				default:
					return nil
				}
			}
		case <-c.closed:
			return ErrClosed
		case msg := <-messages:
			run(msg)
		}
	}
}
