package supervise

import (
	"cmp"
	"context"
)

// onRequest is why a process ended that somebody wanted started anew.
const onRequest = "restarted on request"

// restart asks the actor to end its process gracefully and to start another one at once, or, between
// two lives, not to wait for the next one any longer. It returns when that one runs, or will not. why is
// what the history says of it, "" for a request.
func (x *actor) restart(ctx context.Context, pid int, why string) reply {
	request := stopRequest{pid: pid, why: cmp.Or(why, onRequest), reply: make(chan reply, 1)}
	select {
	case x.restarts <- request:
	case <-x.ended:
		return reply{Outcome: outcomeUnknown}
	case <-ctx.Done():
		return reply{Outcome: outcomeFailed, Failed: notReached}
	}
	return <-request.reply // whoever takes a request answers it
}

// accept takes a restart, if this is the process that is meant. Its answer is owed until fulfilled.
func (x *actor) accept(request stopRequest) bool {
	if !x.row.Wanted || !mayStop(request.pid, x.row.PID, x.process != nil && x.process.Runs()) {
		request.reply <- reply{Outcome: outcomeUnknown}
		return false
	}
	x.owed = append(x.owed, request)
	return true
}

// fulfilled answers the restarts under way.
func (x *actor) fulfilled(r reply) {
	for _, request := range x.owed {
		request.reply <- r
	}
	x.owed = nil
}
