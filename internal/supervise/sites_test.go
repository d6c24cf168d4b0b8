package supervise

import (
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
	"velador/internal/store/postgres"
	"velador/internal/store/postgres/pgtest"
)

// database is all that a site needs of one.
type database interface {
	store.Registry
	store.Versions
	store.Lives
	store.Leases
}

// beside gives the site a fleet in the process of its agent (nil: it has none), which knows of leases,
// lives and versions.
func (s *site) beside(agent *Agent, change func(*FleetConfig)) {
	cfg := s.fleet.cfg
	cfg.Local = agent
	if db, ok := s.registry.Registry.(database); ok {
		cfg.Versions, cfg.Leases, cfg.Lives = db, db, db
	}
	if change != nil {
		change(&cfg)
	}
	s.fleet = NewFleet(cfg)
}

// change writes into a row what no part of velador would.
func (s *site) change(id int64, edit func(*collector.Record)) {
	s.t.Helper()
	row := s.row(id)
	edit(&row)
	if err := s.registry.Registry.UpdateCollector(within(s.t), row); err != nil {
		s.t.Fatal(err)
	}
}

// startFailing starts a collector that ends at once, and waits until that is noted.
func (s *site) startFailing() collector.Record {
	s.t.Helper()
	row := s.startOnce("EXITS")
	return s.untilRow(row.ID, "it has failed", func(r collector.Record) bool { return r.Status == collector.Failed })
}

// elsewhere stores the row of a collector that runs on another machine.
func (s *site) elsewhere(selector, instance string, pid int) collector.Record {
	s.t.Helper()
	row, err := s.registry.CreateCollector(within(s.t), collector.Record{Spec: spec(selector), StartedAt: time.Now()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.change(row.ID, func(r *collector.Record) {
		r.Identity = collector.Identity{Instance: instance, BootID: "boot-of-" + instance, Namespace: "pid:[1]", PID: pid, StartTicks: 7, RunID: "RUN"}
		r.Host = "host-of-" + instance
	})
	return s.row(row.ID)
}

// twoSites are two installations on one database: a bus, a directory and an agent each. Their stores
// are those of two processes.
func twoSites(t *testing.T, databases func(t testing.TB) [2]database) [2]*site {
	t.Helper()
	return twoSitesWith(t, databases, func(*AgentConfig) {})
}

func twoSitesWith(t *testing.T, databases func(t testing.TB) [2]database, change func(*AgentConfig)) [2]*site {
	t.Helper()
	var sites [2]*site
	for i, db := range databases(t) {
		s := newSite(t)
		s.registry.Registry = db
		agent, _ := s.runAgent(change)
		s.beside(agent, nil)
		sites[i] = s
	}
	return sites
}

// engines are the databases that every test of two sites runs on.
func engines() map[string]func(t testing.TB) [2]database {
	return map[string]func(t testing.TB) [2]database{
		"SQLite": func(t testing.TB) [2]database {
			dir := t.TempDir()
			return [2]database{openStore(t, dir), openStore(t, dir)}
		},
		"PostgreSQL": func(t testing.TB) [2]database {
			url := pgtest.Database(t)
			return [2]database{openPostgres(t, url), openPostgres(t, url)}
		},
	}
}

func openPostgres(t testing.TB, url string) *postgres.Store {
	t.Helper()
	db, err := postgres.Open(within(t), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(within(t)); err != nil {
		t.Fatal(err)
	}
	return db
}
