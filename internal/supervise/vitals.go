package supervise

import (
	"slices"
	"time"

	"velador/internal/collector"
	"velador/internal/proc"
)

// stage is what an actor is about.
type stage uint8

const (
	launching stage = iota // a process is being started, or taken up
	inLine                 // it waits for its turn to be started
	tending                // its process runs
	resting                // it waits for the next attempt
	halting                // its process was told to end
)

// condition is what can be seen of an actor from outside. Its lock is the actor's mu.
type condition struct {
	stage   stage
	process *proc.Process // what runs now; nil between two lives
	adopted bool          // it was found running
	vigil   vigil
	rate    float64 // messages a second, between the newest two beats
	usage   proc.Usage
	used    time.Time // when usage was measured; zero before
	percent float64   // of one core, between the newest two measurements
}

// take puts a process in, or nil.
func (c *condition) take(p *proc.Process, adopted bool, now time.Time) {
	v := c.vigil
	v.begin(now)
	*c = condition{stage: tending, process: p, adopted: adopted, vigil: v}
	if p == nil {
		c.stage = resting
	}
}

// hear takes a beat, if it is that of the process.
func (c *condition) hear(b collector.Beat, step, silence time.Duration, now time.Time) {
	if c.process == nil || c.process.Identity().RunID != b.RunID {
		return
	}
	former, at := c.vigil.beat, c.vigil.heard
	if passed := now.Sub(at).Seconds(); former.RunID != "" && passed > 0 && b.Messages >= former.Messages {
		c.rate = float64(b.Messages-former.Messages) / passed
	}
	c.vigil.hear(b, step, silence, now)
}

// measure takes what a process uses, if it still is the one.
func (c *condition) measure(p *proc.Process, u proc.Usage, now time.Time) {
	if c.process != p {
		return
	}
	if passed := now.Sub(c.used); !c.used.IsZero() && passed > 0 && u.CPU >= c.usage.CPU {
		c.percent = 100 * float64(u.CPU-c.usage.CPU) / float64(passed)
	}
	c.usage, c.used = u, now
}

// vitals tells how it is, if its process runs at this moment.
func (c *condition) vitals(now, listening time.Time, silence time.Duration) collector.Vitals {
	return collector.Vitals{
		Phase: c.phase(now, listening, silence), Adopted: c.adopted, Beat: c.vigil.beat, MessagesPerSecond: c.rate,
		CPU: c.usage.CPU, CPUPercent: c.percent, RSS: c.usage.RSS, USS: c.usage.USS,
	}
}

func (c *condition) phase(now, listening time.Time, silence time.Duration) collector.Phase {
	switch {
	case c.stage == halting:
		return collector.PhaseStopping
	case c.stage == launching, c.stage == inLine:
		return collector.PhaseStarting
	case c.process == nil:
		return collector.PhaseBackoff
	case c.vigil.isStale(now, listening, silence):
		return collector.PhaseStale
	}
	switch said := c.vigil.beat.Phase; said {
	case collector.PhaseBackfilling, collector.PhaseLive, collector.PhaseStopping:
		return said
	default: // it has not spoken, or in a tongue of another release
		return collector.PhaseStarting
	}
}

// tick is the unit of start times: USER_HZ is 100 on all that Go runs on.
const tick = 10 * time.Millisecond

// list tells what all actors look after, at this moment.
func (a *Agent) list() []running { return a.listInto(nil) }

// listInto is list, in the room of a former one: one question to the kernel for all processes, and
// one for the time.
func (a *Agent) listInto(list []running) []running {
	actors := a.all()
	list = slices.Grow(list[:0], len(actors))[:len(actors)]
	processes := make([]*proc.Process, len(actors))
	now, listening := time.Now(), a.ear.listening()
	for i, x := range actors {
		processes[i] = x.look(&list[i], now, listening)
	}
	var first *proc.Process // whose age is asked for; those of the others follow
	var age time.Duration
	for i, alive := range proc.Running(processes) {
		if !alive {
			list[i].die()
			continue
		}
		id := processes[i].Identity()
		if first == nil {
			first, age = processes[i], processes[i].Age()
		}
		list[i].PID = id.PID
		list[i].Uptime = max(0, age+time.Duration(int64(first.Identity().StartTicks)-int64(id.StartTicks))*tick)
	}
	return list
}

// look tells into r how it is if its process runs, and gives that process; nil when there is none.
func (x *actor) look(r *running, now, listening time.Time) *proc.Process {
	x.mu.Lock()
	defer x.mu.Unlock()
	r.ID, r.PID, r.Uptime = x.id, 0, 0
	r.Vitals = x.seen.vitals(now, listening, x.agent.cfg.Silence)
	return x.seen.process
}

// die makes of it what it is without a process.
func (r *running) die() {
	if r.Vitals.Phase != collector.PhaseStarting && r.Vitals.Phase != collector.PhaseStopping {
		r.Vitals.Phase = collector.PhaseBackoff
	}
}

// report tells what one actor looks after.
func (x *actor) report() running {
	var r running
	p := x.look(&r, time.Now(), x.agent.ear.listening())
	if p != nil && p.Runs() {
		r.PID, r.Uptime = p.Identity().PID, p.Age()
	} else {
		r.die()
	}
	return r
}
