package supervise

import (
	"velador/internal/collector"
	"velador/internal/proc"
)

// finding is what was found of a row's process on this machine.
type finding struct {
	alive  bool // a verified process of this row runs
	locked bool // somebody holds the lock of its key
}

// fate is what becomes of a row when an agent begins.
type fate uint8

const (
	leaveIt    fate = iota // nothing to do, or its assignment will bring it
	adoptIt                // look after its process
	resumeIt               // start it: it was stopped with this agent, or died with it
	finishStop             // it was told to stop when the agent died: end its process
	closeIt                // nobody wants it and nothing runs: it is history
)

// judge decides about a row of this instance that the agent does not look after. When the agent begins
// it does not wait for the order of what was its own: the bus offers that to anyone only when the
// time of its former holder is over, and whoever takes it from us then is found by the row.
func judge(row collector.Record, found finding, beginning bool) fate {
	switch {
	case found.alive && row.Wanted:
		return adoptIt
	case found.alive:
		return finishStop
	case !row.Wanted && row.Status != collector.Stopped && !found.locked:
		return closeIt
	case row.Wanted && beginning && !found.locked:
		return resumeIt
	}
	return leaveIt
}

// identityOf gives a record's process.
func identityOf(r collector.Record) proc.Identity {
	return proc.Identity{BootID: r.BootID, Namespace: r.Namespace, PID: r.PID, StartTicks: r.StartTicks, RunID: r.RunID}
}

// identify puts a process into a record.
func identify(r *collector.Record, instance string, id proc.Identity) {
	r.Identity = collector.Identity{
		Instance: instance, BootID: id.BootID, Namespace: id.Namespace, PID: id.PID, StartTicks: id.StartTicks, RunID: id.RunID,
	}
}

// unwatchedEnd says why a row that is taken up has no process, when that is worth a word: not after
// a stop, and not after a start of the machine, which ends everything.
func unwatchedEnd(row collector.Record, bootID string) string {
	if row.Status == collector.Running && row.PID != 0 && row.BootID == bootID {
		return "its process ended while nobody watched"
	}
	return ""
}
