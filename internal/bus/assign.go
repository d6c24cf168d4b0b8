package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// ErrAssigned tells that an assignment with this ID is outstanding.
var ErrAssigned = errors.New("assigned already")

// headerReply names the subject at which the sender of an assignment waits for the agent's answer.
const headerReply = "Velador-Reply"

// Assignment is one piece of work for one agent, such as a collector that is to run. It is
// outstanding until an agent is done with it: while one holds it, nobody else gets it.
type Assignment struct {
	ID      string // letters, digits, - and _; at most one of an ID is outstanding
	Payload []byte
}

// Assign puts an assignment into the queue. When it returns without error the assignment is on the
// server's disk; ErrAssigned when one with its ID is outstanding. When ctx ends before the bus
// answers, it is not known whether it was queued: Withdraw is always safe.
func (c *Conn) Assign(ctx context.Context, a Assignment) error { return c.assign(ctx, a, "") }

// AssignAndAwait assigns, and waits for the first answer of the agent that takes the assignment. When
// ctx ends before, the assignment stays in the queue: the error tells whether an agent was waited for
// (problem.Unavailable), and the caller decides whether to Withdraw.
func (c *Conn) AssignAndAwait(ctx context.Context, a Assignment) (answer []byte, err error) {
	inbox := c.nats.NewInbox()
	answers := make(chan *nats.Msg, 1)
	sub, err := c.nats.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, fmt.Errorf("assign %s: %w", a.ID, err)
	}
	defer func() {
		if closed := sub.Unsubscribe(); closed != nil && !errors.Is(closed, nats.ErrConnectionClosed) {
			c.log.Debug("stop waiting for an agent's answer", "id", a.ID, "error", closed)
		}
	}()
	if err := c.assign(ctx, a, inbox); err != nil {
		return nil, err
	}
	select {
	case msg := <-answers:
		return msg.Data, nil
	case <-c.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, unavailable(fmt.Errorf("no agent answered to the assignment %s: %w", a.ID, context.Cause(ctx)))
	}
}

func (c *Conn) assign(ctx context.Context, a Assignment, reply string) error {
	if err := checkID(a.ID); err != nil {
		return err
	}
	msg := nats.NewMsg(familyAssign + "." + a.ID)
	msg.Data = a.Payload
	// The ID makes the repetitions of this call one message, and tells them from an older assignment.
	msg.Header.Set(nats.MsgIdHdr, nuid.Next())
	if reply != "" {
		msg.Header.Set(headerReply, reply)
	}
	err := c.insist(ctx, func(ctx context.Context) error {
		_, err := c.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(streamAssign), jetstream.WithRetryAttempts(0))
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == storeFailed && strings.Contains(api.Description, "per subject") {
			return ErrAssigned
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("assign %s: %w", a.ID, err)
	}
	return nil
}

// storeFailed is JetStream's error code when a stream refuses a message because of its bounds.
const storeFailed = 10077

// OutstandingAssignments lists the IDs of all assignments that wait or are held, sorted.
func (c *Conn) OutstandingAssignments(ctx context.Context) ([]string, error) {
	var ids []string
	err := c.insist(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, streamAssign)
		if err != nil {
			return fmt.Errorf("look at the stream %s: %w", streamAssign, err)
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(familyAssign+".*"))
		if err != nil {
			return fmt.Errorf("look at the stream %s: %w", streamAssign, err)
		}
		ids = make([]string, 0, len(info.State.Subjects))
		for subject := range info.State.Subjects {
			ids = append(ids, strings.TrimPrefix(subject, familyAssign+"."))
		}
		return nil
	})
	slices.Sort(ids)
	return ids, err
}

// Withdraw takes an assignment out of the queue, whether it waits or is held; there need not be one.
// An agent that holds it is not told (that is a command's work), but it no longer gets it back.
func (c *Conn) Withdraw(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	err := c.insist(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, streamAssign)
		if err != nil {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSubject(familyAssign+"."+id))
	})
	if err != nil {
		return fmt.Errorf("withdraw the assignment %s: %w", id, err)
	}
	return nil
}
