// Package supervise keeps collectors running. A Fleet (one beside the server) decides which
// collectors are wanted; an Agent (one on each machine) runs their processes, and adopts, restarts
// and stops them. Between them is the bus, which brings orders and commands; whose a collector is, the
// row and the lease of its installation say.
//
// # The service of the contract
//
// The contract (DESIGN section 7) names the calls of its service; here they are spelled so:
//
//	saveCollector           Fleet.Start, which stores the wish before the process exists
//	getCollectors           store.Registry.Collectors(ctx, collector.Running, collector.Failed)
//	getCollectorsWithUptime Fleet.Status, which also clears dead PIDs
//	stopCollector           Fleet.Stop
//	isPidAlive              proc.Host.Open: alive, and the very process that was meant
//	existsByPid             store.Registry.CollectorsByPID
//	updateCollectorStatus   Rows.change, for the Fleet and the Agent alike
//	cleanupOldCollectors    Fleet.Cleanup
//
// # One row, several lives
//
// A row is one wish. Each life of its process overwrites PID, start time and run, counts Restarts,
// and leaves in LastError and LastExit how the life before it ended; store.Lives keeps them all. Wanted
// goes from true to false once and never back; a stopped row that is still wanted is resumed:
//
//	asked to stop            not wanted, stopped
//	exit code 78             not wanted, stopped, the reason in LastError
//	its process died         wanted, error, with NextAttempt until the next life; then running
//	exit code 75             the same, and NextAttempt is not before the time that it named
//	it lives, does nothing   ended and started anew: stale.go says when
//	asked to restart         ended and started anew at once: anew.go
//	no room for it           wanted, error; the limit in LastError
//	velador was stopped      wanted, stopped; the next start of velador resumes it
//	died while nobody looked wanted, stopped (Fleet.Status saw it); resumed by the Fleet's review
//
// # Whose it is
//
// A row names the installation that looks after it. Only that one judges the process, by /proc and by
// its lock; for all others counts its lease (lease.go, tenure.go). Another installation takes a row over
// only when it is stopped, or when the lease is over and can no longer be renewed, and then in the very
// revision that it had before that was asked. An order that meets a row of a living installation waits
// for a while and goes round again. Losing the database, or the lease with it, ends no collector; the
// row tells, when it can be read again, what somebody else runs by now, and that is ended here.
//
// # From step to step
//
// A start writes the intent (its run), forks, writes the identity, and answers; a stop ends the wish,
// then the process, then closes the row. An Agent that dies anywhere between leaves to the next one
// what it needs to go on: the row, the lock that the process holds, and the order on the bus. Step
// names the moments.
//
// # Who decides
//
// adopt.go, restart.go, stop.go, stale.go and reconcile.go hold decisions, which compute and touch
// nothing. One goroutine, the actor of local.go, owns each collector: starts, stops and ends are queued
// to it. Beats are heard, and processes measured, beside it; what is seen of an actor from outside is
// its condition (vitals.go), so that a list waits for nobody.
//
// The Fleet keeps the records in memory (view.go), asks the registry for its version only, and the
// agents for what they look after: the one of its own process without the bus (hearing.go). It orders
// again what is wanted and has no order (fleetreview.go), and of two servers on one database that let
// overlapping collectors in at once, one gives way (rivals.go).
package supervise
