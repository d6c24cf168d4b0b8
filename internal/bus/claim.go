package bus

import (
	"encoding/json"

	"github.com/nats-io/nats.go"
)

// A claim says which delivery of an assignment an agent holds. JetStream gives an assignment to
// another agent when its holder's heart-beats fail to come, but does not tell the former holder,
// who may only have been cut off. So whoever takes an assignment over says so, and whoever was cut
// off asks by saying what it holds: the holder of the older delivery gives up.
type claim struct {
	ID        string `json:"id"`
	Sequence  uint64 `json:"sequence"`
	Delivered uint64 `json:"delivered"`
	Agent     string `json:"agent"`
}

// claim tells all agents what this one holds.
func (a *agent) claim(h *Held) {
	h.mu.Lock()
	mine := claim{ID: h.assignment.ID, Sequence: h.sequence, Delivered: h.delivered, Agent: a.token}
	h.mu.Unlock()
	payload, err := json.Marshal(mine)
	if err == nil {
		err = a.conn.nats.Publish(subjectClaims, payload)
	}
	if err != nil {
		a.conn.log.Debug("an assignment was not claimed", "id", mine.ID, "error", err)
	}
}

// hear compares another agent's claim with what this one holds.
func (a *agent) hear(msg *nats.Msg) {
	var theirs claim
	if len(msg.Data) > maxMessage || json.Unmarshal(msg.Data, &theirs) != nil || theirs.Agent == a.token {
		return
	}
	a.mu.Lock()
	h := a.holding[theirs.ID]
	a.mu.Unlock()
	if h == nil || h.sequence != theirs.Sequence {
		return
	}
	h.mu.Lock()
	mine, over := h.delivered, h.over
	h.mu.Unlock()
	switch {
	case over != nil:
	case theirs.Delivered > mine:
		a.conn.log.Warn("another agent has taken an assignment over: no heart-beat reached the bus in time", "id", theirs.ID, "agent", a.cfg.Name)
		h.lose(ErrLost)
	case theirs.Delivered < mine:
		a.claim(h)
	}
}
