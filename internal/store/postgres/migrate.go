package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"velador/internal/store"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// appliedSQL reads goose's table of applied steps.
const appliedSQL = "SELECT version_id, tstamp FROM " + goose.DefaultTablename + " WHERE is_applied"

// migrationLock is the key of the advisory lock under which one velador migrates while others
// wait: "velador" in ASCII.
const migrationLock = 0x76656c61646f72

// Migrate applies what is pending, each step in a transaction of its own, and lists it. Several
// may call it at once: one works, the others wait and then find nothing to do.
func (s *Store) Migrate(ctx context.Context) ([]store.Migration, error) {
	if err := s.gate.Enter(); err != nil {
		return nil, err
	}
	defer s.gate.Leave()
	applied, err := s.migrate(ctx)
	for _, m := range applied {
		s.logger.Info("database migrated", "version", m.Version, "name", m.Name)
	}
	return applied, s.failure(ctx, "bring the database's tables up to date", err)
}

func (s *Store) migrate(ctx context.Context) (applied []store.Migration, err error) {
	config := s.direct.Copy()
	config.RuntimeParams["timezone"] = "UTC" // goose notes times without a zone
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := newProvider(db)
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	for _, r := range results {
		applied = append(applied, store.Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path), Applied: now})
	}
	return applied, err
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	// Tried once a second, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// Migrations lists all steps. It only reads: a database without tables has all of them pending.
func (s *Store) Migrations(ctx context.Context) ([]store.Migration, error) {
	if err := s.gate.Enter(); err != nil {
		return nil, err
	}
	defer s.gate.Leave()
	at, err := s.appliedAt(ctx)
	if err != nil {
		return nil, s.failure(ctx, "list the migrations", err)
	}
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]store.Migration, 0, len(files))
	for _, file := range files {
		version, err := goose.NumericComponent(file)
		if err != nil {
			return nil, err
		}
		all = append(all, store.Migration{Version: version, Name: path.Base(file), Applied: at[version]})
	}
	return all, nil
}

// appliedAt gives when each applied step was.
func (s *Store) appliedAt(ctx context.Context) (map[int64]time.Time, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	rows, err := conn.Query(ctx, appliedSQL)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]time.Time)
	var version int64
	var when time.Time
	_, err = pgx.ForEachRow(rows, []any{&version, &when}, func() error {
		at[version] = when.UTC().Truncate(time.Millisecond)
		return nil
	})
	if code(err) == undefinedTable {
		return nil, nil
	}
	return at, err
}
