// Package supervise keeps collectors running. A Fleet (one beside the server) decides which
// collectors are wanted; an Agent (one on each machine) runs their processes, and adopts, restarts
// and stops them. Between them is the bus: a running collector is an assignment that its agent holds.
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
// and leaves in LastError why the life before it ended. Wanted goes from true to false once and never
// back; a stopped row that is still wanted is resumed:
//
//	asked to stop            not wanted, stopped
//	exit code 78             not wanted, stopped, the reason in LastError
//	its process died         wanted, error, until the next life; then running
//	velador was stopped      wanted, stopped; the next start of velador resumes it
//	died while nobody looked wanted, stopped (Fleet.Status saw it); resumed by the Fleet's review
//
// # Who decides
//
// adopt.go, restart.go, stop.go and reconcile.go hold decisions, which compute and touch nothing.
// One goroutine, the actor of local.go, owns each collector: starts, stops and ends are queued to it.
package supervise
