package sqlite

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"velador/internal/store"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// appliedSQL reads goose's table of applied steps.
const appliedSQL = "SELECT version_id, CAST(strftime('%s', tstamp) AS INTEGER) FROM " + goose.DefaultTablename + " WHERE is_applied"

// Migrate applies what is pending, each step in a transaction of its own, and lists it. Several
// processes may call it at once. SQLite has no lock that outlasts a transaction, so two of them may
// find a step pending; the second one then fails within its transaction, which leaves nothing, and
// goes on once it sees that the step has been done meanwhile.
func (s *Store) Migrate(ctx context.Context) (applied []store.Migration, err error) {
	err = s.call(ctx, "bring the database's tables up to date", func() error {
		files, err := fs.Sub(migrationFiles, "migrations")
		if err != nil {
			return err
		}
		provider, err := goose.NewProvider(goose.DialectSQLite3, s.writer, files,
			goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
		if err != nil {
			return err
		}
		for {
			results, err := provider.Up(ctx)
			var partial *goose.PartialError
			if errors.As(err, &partial) {
				results = partial.Applied
			}
			now := time.Now().UTC().Truncate(time.Millisecond)
			for _, r := range results {
				m := store.Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path), Applied: now}
				applied = append(applied, m)
				s.logger.Info("database migrated", "version", m.Version, "name", m.Name)
			}
			if partial == nil {
				return err
			}
			at, lookErr := s.appliedAt(ctx)
			if _, done := at[partial.Failed.Source.Version]; lookErr != nil || !done {
				return errors.Join(err, lookErr)
			}
			// Done by somebody else. Each turn leaves a step less, so there is an end.
		}
	})
	return applied, err
}

// Migrations lists all steps. It only reads: a database without tables has all of them pending.
func (s *Store) Migrations(ctx context.Context) (all []store.Migration, err error) {
	err = s.call(ctx, "list the migrations", func() error {
		at, err := s.appliedAt(ctx)
		if err != nil {
			return err
		}
		files, err := fs.Glob(migrationFiles, "migrations/*.sql")
		if err != nil {
			return err
		}
		for _, file := range files {
			version, err := goose.NumericComponent(file)
			if err != nil {
				return err
			}
			all = append(all, store.Migration{Version: version, Name: path.Base(file), Applied: at[version]})
		}
		return nil
	})
	return all, err
}

// appliedAt gives when each applied step was.
func (s *Store) appliedAt(ctx context.Context) (at map[int64]time.Time, err error) {
	rows, err := s.reader.QueryContext(ctx, appliedSQL)
	if err != nil {
		if primary(err) == codeError && strings.Contains(err.Error(), "no such table") {
			return nil, nil
		}
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	at = make(map[int64]time.Time)
	for rows.Next() {
		var version, seconds int64
		if err := rows.Scan(&version, &seconds); err != nil {
			return nil, err
		}
		at[version] = time.Unix(seconds, 0).UTC()
	}
	return at, rows.Err()
}
