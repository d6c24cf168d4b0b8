package supervise

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	listTimeout = 2 * time.Second // for an agent to say what it looks after
	// awayFor is for how long an agent that did not say it in time is not asked again: one that hangs
	// must not slow every question down.
	awayFor = 5 * time.Second
)

// hearing is what the agents say that they look after.
type hearing struct {
	runs     []running // all of it
	of       []int32   // by the position of the row, one more than that of its run; 0 where nobody looks after it
	strays   []running // runs of rows that were not asked about: they are newer, or trail behind
	answered []string  // agents of other processes that have answered
}

// said gives what was said about the row at a position; nil when nobody looks after it.
func (h *hearing) said(at int) *running {
	if i := h.of[at]; i > 0 {
		return &h.runs[i-1]
	}
	return nil
}

// correspondent is an agent of another process.
type correspondent struct {
	asking *shared[[]running]
	away   atomic.Int64 // it is not asked before this time, in nanoseconds since the fleet's beginning
}

// correspondents are the agents of other processes, as far as rows have named them.
type correspondents struct {
	mu    sync.Mutex
	by    map[string]*correspondent
	begun time.Time
}

func newCorrespondents() *correspondents {
	return &correspondents{by: make(map[string]*correspondent), begun: time.Now()}
}

// of gives one; named are all that are named now, so that the others can be forgotten.
func (c *correspondents) of(instance string, named []string) *correspondent {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.by[instance]
	if one == nil {
		if len(c.by) > 2*len(named)+16 {
			clear(c.by)
		}
		one = &correspondent{asking: newShared[[]running]()}
		c.by[instance] = one
	}
	return one
}

var errAway = errors.New("the agent has not answered a moment ago")

// hear asks all agents that the records name, side by side, what they look after. Who does not answer
// is left out. The rows are read before the agents are asked: what an agent does not know any more,
// its row may not say yet, but never the other way round.
//
// room is used for the runs; nil will do.
func (f *Fleet) hear(ctx context.Context, rec *records, room []running) hearing {
	h := hearing{runs: room[:0], of: make([]int32, len(rec.rows))}
	if f.cfg.Local != nil {
		h.runs = f.cfg.Local.listInto(h.runs)
		h.place(rec, f.cfg.Local.cfg.Name, 0)
	}
	others := make([]string, 0, 4)
	for _, instance := range rec.instances {
		if !f.isLocal(instance) {
			others = append(others, instance)
		}
	}
	if len(others) == 0 {
		return h
	}
	said, errs := make([][]running, len(others)), make([]error, len(others))
	var asking sync.WaitGroup
	for i, instance := range others {
		asking.Go(func() { said[i], errs[i] = f.askOther(ctx, instance, rec.instances) })
	}
	asking.Wait()
	for i, instance := range others {
		if errs[i] != nil {
			f.cfg.Logger.Debug("an agent does not say what it runs", "agent", instance, "error", errs[i])
			continue
		}
		h.answered = append(h.answered, instance)
		begin := len(h.runs)
		h.runs = append(h.runs, said[i]...)
		h.place(rec, instance, begin)
	}
	return h
}

// place finds the rows of what an agent looks after, from a position on. What the record says to be
// another agent's is that one's.
func (h *hearing) place(rec *records, instance string, begin int) {
	for i := begin; i < len(h.runs); i++ {
		at, found := rec.at[h.runs[i].ID]
		switch {
		case !found:
			h.strays = append(h.strays, h.runs[i])
		case rec.rows[at].Instance == instance, rec.rows[at].Instance == "":
			h.of[at] = int32(i + 1)
		}
	}
}

func (f *Fleet) askOther(ctx context.Context, instance string, named []string) ([]running, error) {
	other := f.others.of(instance, named)
	if int64(time.Since(f.others.begun)) < other.away.Load() {
		return nil, errAway
	}
	return other.asking.ask(ctx, func(ctx context.Context) ([]running, error) {
		asking, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		said, err := f.command(asking, instance, command{Op: opList})
		if err != nil && asking.Err() != nil && ctx.Err() == nil {
			other.away.Store(int64(time.Since(f.others.begun) + awayFor))
		}
		return said.Runs, err
	})
}

// isLocal tells whether an instance is that of the Agent of this process.
func (f *Fleet) isLocal(instance string) bool {
	return f.cfg.Local != nil && instance == f.cfg.Local.cfg.Name
}

// command sends a command to an agent and reads its reply. That of this process needs no bus.
func (f *Fleet) command(ctx context.Context, instance string, c command) (reply, error) {
	payload := encode(c)
	if f.isLocal(instance) {
		return decode[reply](f.cfg.Local.obey(ctx, payload))
	}
	payload, err := f.cfg.Queue.Command(ctx, instance, payload)
	if err != nil {
		return reply{}, err
	}
	return decode[reply](payload)
}
