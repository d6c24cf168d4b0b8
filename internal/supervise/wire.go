package supervise

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"velador/internal/bus"
	"velador/internal/collector"
)

// Queue is the Fleet's end of the bus; bus.Conn is one.
type Queue interface {
	Assign(ctx context.Context, a bus.Assignment) error
	AssignAndAwait(ctx context.Context, a bus.Assignment) ([]byte, error)
	OutstandingAssignments(ctx context.Context) ([]string, error)
	Withdraw(ctx context.Context, id string) error
	Command(ctx context.Context, agent string, payload []byte) ([]byte, error)
}

// Work is the Agent's end of the bus; bus.Conn is one.
type Work interface {
	Assignments(ctx context.Context, cfg bus.AgentConfig, handle func(context.Context, *bus.Held) error) error
	ServeCommands(ctx context.Context, agent string, handle func(context.Context, []byte) []byte) error
	Beats(ctx context.Context, agent string, take func(collector.Beat)) error
	PublishPulse(agent string) error
	Connected() bool
}

var (
	_ Queue = (*bus.Conn)(nil)
	_ Work  = (*bus.Conn)(nil)
)

// Bounds of a message between the parts, in bytes. The bus takes no more than maxWire, so that a list of
// very many collectors is packed.
const (
	maxWire   = 1 << 20
	packFrom  = 256 << 10
	maxUnpack = 32 << 20
)

// order is an assignment: run the collector of this row.
type order struct {
	ID  int64  `json:"id"`
	Key string `json:"key"` // of its spec: the bus may outlive a database, and its IDs
	// First tells that somebody waits for the very first life: if it does not begin, the wish ends.
	First bool `json:"first,omitempty"`
}

// answer is what an agent says to an order.
type answer struct {
	PID    int    `json:"pid,omitempty"`
	Host   string `json:"host,omitempty"`
	Failed string `json:"failed,omitempty"` // why there is no process; "" when there is
	Full   bool   `json:"full,omitempty"`   // it failed for want of room: later, or elsewhere, it may not
}

// errNoRoom is why an agent that is full starts nothing more.
var errNoRoom = errors.New("the agent looks after as many collectors as it may")

// failure tells a start for which there was no room from one that could not be done; nil for that.
func (a answer) failure() error {
	if a.Full {
		return errNoRoom
	}
	return nil
}

// The commands to an agent.
const (
	opStop    = "stop"
	opRestart = "restart"
	opList    = "list"
)

type command struct {
	Op  string `json:"op"`
	ID  int64  `json:"id,omitempty"`
	PID int    `json:"pid,omitempty"` // 0: whatever its PID is now
	Why string `json:"why,omitempty"` // of a restart; "": somebody asked for it
}

// outcome is how a stop or a restart went.
type outcome string

const (
	outcomeStopped outcome = "stopped"   // nobody of its group runs any more
	outcomeStarted outcome = "started"   // another process runs
	outcomeUnknown outcome = "not_found" // this agent runs no such process
	outcomeFailed  outcome = "failed"
)

// reply is what an agent says to a command.
type reply struct {
	Outcome outcome   `json:"outcome,omitempty"` // of a stop or a restart
	PID     int       `json:"pid,omitempty"`     // that runs after a restart
	Failed  string    `json:"failed,omitempty"`  // why
	Runs    []running `json:"runs,omitempty"`    // of a list: all that the agent looks after
}

// running is one collector that an agent looks after.
type running struct {
	ID     int64            `json:"id"`
	PID    int              `json:"pid,omitempty"`    // 0: no process runs at this moment
	Uptime time.Duration    `json:"uptime,omitempty"` // by the clocks of its machine
	Vitals collector.Vitals `json:"vitals"`
}

// decode reads a message of another part.
func decode[T any](payload []byte) (T, error) {
	var message T
	if len(payload) > maxWire {
		return message, fmt.Errorf("a message of %d bytes is too long", len(payload))
	}
	if bytes.HasPrefix(payload, packed) {
		var err error
		if payload, err = unpack(payload); err != nil {
			return message, fmt.Errorf("read a message: %w", err)
		}
	}
	if err := json.Unmarshal(payload, &message); err != nil {
		return message, fmt.Errorf("read a message: %w", err)
	}
	return message, nil
}

// encode writes a message. All of them are plain structures, which json never refuses.
func encode(message any) []byte {
	payload, err := json.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", message, err))
	}
	if len(payload) < packFrom {
		return payload
	}
	var packing bytes.Buffer
	w := gzip.NewWriter(&packing)
	_, _ = w.Write(payload) // memory takes all
	_ = w.Close()
	return packing.Bytes()
}

// packed is how gzip begins (RFC 1952), and JSON never does.
var packed = []byte{0x1f, 0x8b}

func unpack(payload []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxUnpack+1))
	if err == nil && len(text) > maxUnpack {
		err = fmt.Errorf("more than %d bytes come out of it", maxUnpack)
	}
	return text, err
}

// assignmentID is the ID, on the bus, of the order to run a collector.
func assignmentID(id int64) string { return strconv.FormatInt(id, 10) }

func assignment(r collector.Record, first bool) bus.Assignment {
	return bus.Assignment{ID: assignmentID(r.ID), Payload: encode(order{ID: r.ID, Key: r.Spec.Key(), First: first})}
}
