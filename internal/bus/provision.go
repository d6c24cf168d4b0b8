package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// dedupeWindow is how long the server remembers message IDs. It must outlast a repetition after a
// lost acknowledgement, and no more: every message of this time costs the server about 150 bytes of
// memory, and a back-fill brings 50,000 a second. A duplicate that slips through costs one upsert.
const dedupeWindow = 20 * time.Second

// Provision creates the streams, or brings their configuration up to date; it may be called any
// number of times, by anybody. It waits until the bus answers or ctx ends.
func (c *Conn) Provision(ctx context.Context) error {
	streams := []jetstream.StreamConfig{{
		Name:        streamCandles,
		Description: "velador: candles, gaps and audits on their way to the database",
		Subjects:    []string{familyCandle + ".>", familyGap + ".>", familyAudit + ".>"},
		Retention:   jetstream.WorkQueuePolicy,
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    c.cfg.MaxBytes,
		MaxMsgSize:  maxMessage + 1<<10, // with its headers
		Duplicates:  dedupeWindow,
		Replicas:    c.cfg.Replicas,
	}, {
		Name:                 streamAssign,
		Description:          "velador: one message for each collector that is to run; unacknowledged while it runs",
		Subjects:             []string{familyAssign + ".*"},
		Retention:            jetstream.WorkQueuePolicy,
		Storage:              jetstream.FileStorage,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    1,
		MaxBytes:             64 << 20,
		Duplicates:           2 * time.Minute,
		Replicas:             c.cfg.Replicas,
	}}
	for _, stream := range streams {
		err := c.insist(ctx, func(ctx context.Context) error {
			_, err := c.js.CreateOrUpdateStream(ctx, stream)
			return err
		})
		if err != nil {
			return fmt.Errorf("provision the stream %s: %w", stream.Name, err)
		}
	}
	return nil
}

// insist repeats a request until it is answered, whatever the answer, or until ctx ends. An attempt
// has 5 seconds; the error is Unavailable when none was answered.
func (c *Conn) insist(ctx context.Context, request func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		changed := c.watch()
		err := c.once(ctx, request)
		switch {
		case err == nil || !isAway(err):
			return err
		case ctx.Err() != nil:
			return unavailable(errors.Join(context.Cause(ctx), err))
		}
		timer := time.NewTimer(again.Draw(attempt))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		case <-c.closed:
			timer.Stop()
			return ErrClosed
		}
		timer.Stop()
	}
}

// once makes a request, for 5 seconds or until the connection changes.
func (c *Conn) once(ctx context.Context, request func(context.Context) error) error {
	ctx, stop := c.whileConnected(ctx)
	defer stop()
	if !c.Connected() {
		return nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return request(ctx)
}
