package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// familyBudget is budget.<agent>.<exchange>, core NATS: what an exchange allows one machine is
// shared out there. The messages are those of package exchange.
const familyBudget = "budget"

// maxBudgetMessages is how many wait for the broker: all collectors of a machine may ask in the same
// second.
const maxBudgetMessages = 16384

// ErrNoBroker tells that nobody shares out the budgets of this agent's machine.
var ErrNoBroker = errors.New("nobody shares out the exchange's limits")

// AskBudget sends a request to whoever shares out the budget of an exchange on an agent's machine,
// and waits for the answer until ctx ends. ErrNoBroker when nobody does; without a connection, or when
// it breaks, the error comes at once.
func (c *Conn) AskBudget(ctx context.Context, agent, exchange string, request []byte) (answer []byte, err error) {
	// The word that the connection stands may come late, and then ends the first request for nothing.
	for range 2 {
		var broke bool
		if answer, broke, err = c.askBudget(ctx, budgetSubject(agent, exchange), request); !broke {
			break
		}
	}
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, ErrNoBroker
	case errors.Is(err, nats.ErrConnectionClosed):
		return nil, ErrClosed
	}
	return nil, unavailable(fmt.Errorf("ask for a share of the limits of %s: %w", exchange, err))
}

// askBudget asks once; broke tells that the connection changed meanwhile.
func (c *Conn) askBudget(ctx context.Context, subject string, request []byte) (answer []byte, broke bool, err error) {
	connected, stop := c.whileConnected(ctx)
	defer stop()
	if !c.Connected() {
		return nil, false, nats.ErrDisconnected
	}
	msg, err := c.nats.RequestWithContext(connected, subject, request)
	if err != nil {
		return nil, connected.Err() != nil && ctx.Err() == nil, err
	}
	return msg.Data, false, nil
}

// TellBudget tells whoever shares out the budget of an exchange something that needs no answer. Best
// effort: without a connection it is gone, and that is no error.
func (c *Conn) TellBudget(agent, exchange string, message []byte) error {
	if !c.nats.IsConnected() {
		return nil
	}
	if err := c.nats.Publish(budgetSubject(agent, exchange), message); err != nil && !isAway(err) {
		return fmt.Errorf("tell of the limits of %s: %w", exchange, err)
	}
	return nil
}

func budgetSubject(agent, exchange string) string {
	return familyBudget + "." + escapeToken(agent) + "." + escapeToken(exchange)
}

// ServeBudget calls take for each message about the budgets of an agent's machine, one at a time,
// until ctx ends; the error is then nil. Losing the bus is waited out. take must be quick. It may call
// reply later, from any goroutine; reply is nil for a message that awaits no answer.
func (c *Conn) ServeBudget(ctx context.Context, agent string, take func(exchange string, payload []byte, reply func(answer []byte))) error {
	if agent == "" {
		return errors.New("share out the limits of exchanges: the agent has no name")
	}
	prefix := familyBudget + "." + escapeToken(agent) + "."
	messages := make(chan *nats.Msg, maxBudgetMessages) // beyond it they are dropped, and asked again
	sub, err := c.nats.ChanSubscribe(prefix+"*", messages)
	if err != nil {
		return fmt.Errorf("share out the limits of exchanges: %w", err)
	}
	defer func() {
		// Whoever asks from now on is told that nobody listens. Who has asked before gets an empty answer,
		// which says nothing, and asks again.
		err := sub.Unsubscribe()
		if err == nil {
			err = c.nats.FlushTimeout(5 * time.Second)
		}
		if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			c.log.Debug("stop sharing out the limits of exchanges", "error", err)
		}
		for len(messages) > 0 {
			if reply := c.budgetReply(<-messages); reply != nil {
				reply(nil)
			}
		}
	}()
	// Whoever asks from now on is heard.
	if err := c.nats.FlushTimeout(5 * time.Second); err != nil && !isAway(err) {
		return fmt.Errorf("share out the limits of exchanges: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.closed:
			return ErrClosed
		case msg := <-messages:
			exchange, err := unescapeToken(strings.TrimPrefix(msg.Subject, prefix))
			if err != nil {
				c.log.Debug("a message about the limits of no exchange", "subject", msg.Subject, "error", err)
				continue
			}
			take(exchange, msg.Data, c.budgetReply(msg))
		}
	}
}

// budgetReply gives how to answer a message, nil when it awaits no answer.
func (c *Conn) budgetReply(msg *nats.Msg) func(answer []byte) {
	if msg.Reply == "" {
		return nil
	}
	return func(answer []byte) {
		if err := msg.Respond(answer); err != nil {
			c.log.Debug("a request for a share of an exchange's limits was not answered; it is made again", "error", err)
		}
	}
}
