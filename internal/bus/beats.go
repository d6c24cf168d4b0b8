package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"velador/internal/collector"
)

// Subjects between an agent and the collectors that it started, core NATS: nothing is kept.
const (
	familyBeat  = "beats"  // beats.<agent>: what a collector says about itself
	familyPulse = "pulses" // pulses.<agent>: the agent lives
)

// Bounds of what an agent hears.
const (
	maxBeat     = 4 << 10 // bytes of one beat
	queuedBeats = 4096    // that wait for an agent which is busy; beyond, the next one will do
)

// PublishBeat tells an agent how a collector is. Best effort: without a connection it is gone.
func (c *Conn) PublishBeat(agent string, b collector.Beat) error {
	if !c.nats.IsConnected() {
		return nil
	}
	payload, err := json.Marshal(b)
	if err == nil {
		err = c.nats.Publish(familyBeat+"."+escapeToken(agent), payload)
	}
	if err != nil {
		return fmt.Errorf("tell how the collector is: %w", err)
	}
	return nil
}

// Beats calls take for each beat sent to an agent, one at a time, until ctx ends. Who is slower than
// the collectors misses some. What cannot be read is left out.
func (c *Conn) Beats(ctx context.Context, agent string, take func(collector.Beat)) error {
	return c.hear(ctx, familyBeat+"."+escapeToken(agent), queuedBeats, func(msg *nats.Msg) {
		b, err := decodeBeat(msg.Data)
		if err != nil {
			c.log.Debug("a beat was not understood", "error", err)
			return
		}
		take(b)
	})
}

// PublishPulse tells the collectors of an agent that it lives. Best effort.
func (c *Conn) PublishPulse(agent string) error {
	if !c.nats.IsConnected() {
		return nil
	}
	if err := c.nats.Publish(familyPulse+"."+escapeToken(agent), nil); err != nil {
		return fmt.Errorf("tell the collectors that their agent lives: %w", err)
	}
	return nil
}

// Pulses calls heard each time the agent says that it lives, one at a time, until ctx ends.
func (c *Conn) Pulses(ctx context.Context, agent string, heard func()) error {
	return c.hear(ctx, familyPulse+"."+escapeToken(agent), 16, func(*nats.Msg) { heard() })
}

// hear calls take for each message on a subject, one at a time, until ctx ends.
func (c *Conn) hear(ctx context.Context, subject string, queued int, take func(*nats.Msg)) error {
	messages := make(chan *nats.Msg, queued)
	sub, err := c.nats.ChanSubscribe(subject, messages)
	if err != nil {
		return fmt.Errorf("listen to %s: %w", subject, err)
	}
	defer func() {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			c.log.Debug("stop listening", "subject", subject, "error", err)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.closed:
			return ErrClosed
		case msg := <-messages:
			take(msg)
		}
	}
}

// decodeBeat reads the payload of PublishBeat.
func decodeBeat(payload []byte) (collector.Beat, error) {
	var b collector.Beat
	if len(payload) > maxBeat {
		return b, fmt.Errorf("a beat of %d bytes: at most %d are allowed", len(payload), maxBeat)
	}
	if err := json.Unmarshal(payload, &b); err != nil {
		return b, fmt.Errorf("read a beat: %w", err)
	}
	return b, nil
}
