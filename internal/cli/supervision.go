package cli

import (
	"context"
	"os"
	"time"

	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/logfile"
	"velador/internal/proc"
	"velador/internal/server"
	"velador/internal/store"
	"velador/internal/store/postgres"
	"velador/internal/store/sqlite"
	"velador/internal/supervise"
)

// The real parts fit the contracts and the interfaces of those who use them.
var (
	_ store.Store     = (*postgres.Store)(nil)
	_ store.Store     = (*sqlite.Store)(nil)
	_ supervise.Queue = (*bus.Conn)(nil)
	_ supervise.Work  = (*bus.Conn)(nil)
	_ server.Fleet    = (*supervise.Fleet)(nil)
	_ server.Logs     = collectorLogs{}
)

// stopMargin is what a stop through the database may take beyond a collector's grace: the other
// server looks there every second, and kills what is left after it.
const stopMargin = 10 * time.Second

// supervision makes the fleet and the agent of this machine.
func (s *service) supervision(dir *dataDir, conn *bus.Conn, symbols supervise.Catalogue, processes *proc.Host) (*supervise.Fleet, *supervise.Agent, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	host, instance, err := dir.installation()
	if err != nil {
		return nil, nil, err
	}
	rows := supervise.NewRows(s.store)
	config := supervise.AgentConfig{
		Name: instance, HostName: host, Dir: dir.join("collectors"), Rows: rows, Work: conn, Processes: processes,
		Leases: s.store, Lives: s.store, Versions: s.store,
		Command: s.command(executable, instance, dir.join("bus", bus.FileName), dir.join(budgetsName)), Logger: s.logger,
		Detach: s.care.detach, StopOrphans: s.care.orphans == orphansStop, Grace: s.care.grace,
		MaxCollectors: capacity(processes, s.care.maxCollectors, s.logger),
		LogSize:       int64(s.care.logSize), LogTotal: int64(s.care.logTotal),
	}
	s.overrides.apply(&config)
	agent := supervise.NewAgent(config)
	fleet := supervise.NewFleet(supervise.FleetConfig{
		Rows: rows, Queue: conn, Catalogue: symbols, Processes: processes, HostName: host, Local: agent, Logger: s.logger,
		Versions: s.store, Leases: s.store, Lives: s.store, StopPatience: config.Grace + stopMargin,
	})
	return fleet, agent, nil
}

// collectorLogs reads the logs of collectors on this machine.
type collectorLogs struct {
	fleet *supervise.Fleet
	agent *supervise.Agent
}

// Tail gives the newest lines of a collector's log.
func (l collectorLogs) Tail(ctx context.Context, id int64, n int) ([]string, error) {
	r, err := l.fleet.Collector(ctx, id)
	if err != nil {
		return nil, err
	}
	return logfile.Tail(l.agent.LogPath(r.Spec), n)
}

// Follow gives them and what follows, until the collector is stopped for good.
func (l collectorLogs) Follow(ctx context.Context, id int64, n int, yield func(line string) error) error {
	r, err := l.fleet.Collector(ctx, id)
	if err != nil {
		return err
	}
	ended := func() bool {
		now, err := l.fleet.Collector(ctx, id)
		return err == nil && now.Status == collector.Stopped && !now.Wanted
	}
	return logfile.Follow(ctx, l.agent.LogPath(r.Spec), n, ended, yield)
}
