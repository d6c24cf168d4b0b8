package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"velador/internal/store"
	"velador/internal/store/postgres"
	"velador/internal/store/sqlite"
)

// sqliteFile is the embedded database in the data directory.
const sqliteFile = "velador.db"

// dbTimeout bounds the commands that only look.
const dbTimeout = 15 * time.Second

// open opens the database that the settings name.
func (f *databaseFlags) open(ctx context.Context, logger *slog.Logger) (store.Store, error) {
	if f.url != "" {
		return postgres.Open(ctx, postgres.Config{URL: f.url, DirectURL: f.directURL, Logger: logger})
	}
	if err := os.MkdirAll(f.dataDir, 0o700); err != nil {
		return nil, usagef("the data directory cannot be made: %w; --data-dir or VELADOR_DATA_DIR chooses another one", err)
	}
	return sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(f.dataDir, sqliteFile), Logger: logger})
}

// kind is the name of the database's kind, as the API and the metrics have it.
func (f *databaseFlags) kind() string {
	if f.url != "" {
		return "postgres"
	}
	return "sqlite"
}

// name says in words which database that is, without its password.
func (f *databaseFlags) name() string {
	if f.url != "" {
		return "PostgreSQL"
	}
	return "SQLite in " + filepath.Join(f.dataDir, sqliteFile)
}

func (p *program) dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "look after the database",
		Long: `Look after the database: PostgreSQL by DATABASE_URL, or the embedded SQLite in the data
directory. "velador serve" applies what is pending when it starts.`,
	}
	cmd.AddCommand(p.dbMigrateCommand("migrate"), p.dbMigrateCommand("push"), p.dbStatusCommand(), p.dbPingCommand(), p.dbCleanupCommand(), p.dbStudioCommand())
	return cmd
}

// dbRun makes a command that works on the open database.
func (p *program) dbRun(use, short string, timeout time.Duration, run func(context.Context, *databaseFlags, store.Store) error) *cobra.Command {
	var (
		logs     logFlags
		database databaseFlags
	)
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: "  velador db " + use + "\n  DATABASE_URL=postgres://velador@localhost/velador velador db " + use,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := logs.logger(p.stderr)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			db, err := database.open(ctx, logger)
			if err != nil {
				return err
			}
			defer db.Close()
			return run(ctx, &database, db)
		},
	}
	logs.register(cmd.Flags())
	database.register(p, cmd.Flags())
	return cmd
}

func (p *program) dbMigrateCommand(use string) *cobra.Command {
	short := "bring the schema up to date"
	if use == "push" {
		short += " (the same as migrate)"
	}
	var asJSON bool
	cmd := p.dbRun(use, short, 0, func(ctx context.Context, _ *databaseFlags, db store.Store) error {
		applied, err := db.Migrate(ctx)
		if asJSON {
			steps := make([]appliedStep, 0, len(applied)) // those before one that failed too
			for _, m := range applied {
				steps = append(steps, appliedStep{m.Version, m.Name})
			}
			return errors.Join(err, p.printJSON(map[string]any{"applied": steps}))
		}
		for _, m := range applied {
			_, _ = fmt.Fprintf(p.stdout, "applied %d %s\n", m.Version, m.Name)
		}
		if err == nil && len(applied) == 0 {
			_, _ = fmt.Fprintln(p.stdout, "The schema is up to date.")
		}
		return err
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// appliedStep is a step of the schema as "db migrate --json" prints it.
type appliedStep struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
}

// migrationStep is a step of the schema as "db status --json" prints it.
type migrationStep struct {
	Version int64      `json:"version"`
	Name    string     `json:"name"`
	Applied *time.Time `json:"applied"` // null while it is pending
}

func (p *program) dbStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := p.dbRun("status", "list the steps of the schema", dbTimeout, func(ctx context.Context, _ *databaseFlags, db store.Store) error {
		all, err := db.Migrations(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			steps := make([]migrationStep, 0, len(all))
			for _, m := range all {
				step := migrationStep{Version: m.Version, Name: m.Name}
				if !m.Applied.IsZero() {
					at := m.Applied.UTC()
					step.Applied = &at
				}
				steps = append(steps, step)
			}
			return p.printJSON(map[string]any{"migrations": steps})
		}
		columns := []column{{name: "VERSION", right: true}, {name: "NAME"}, {name: "APPLIED"}}
		cells := make([][]string, len(columns))
		for _, m := range all {
			applied := "pending"
			if !m.Applied.IsZero() {
				applied = m.Applied.UTC().Format(time.RFC3339)
			}
			for i, cell := range []string{strconv.FormatInt(m.Version, 10), m.Name, applied} {
				cells[i] = append(cells[i], cell)
			}
		}
		return printTable(p.stdout, columns, cells, terminalWidth(p.stdout))
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (p *program) dbPingCommand() *cobra.Command {
	var asJSON bool
	cmd := p.dbRun("ping", "tell whether the database answers", dbTimeout, func(ctx context.Context, flags *databaseFlags, db store.Store) error {
		begun := time.Now()
		if err := db.Ping(ctx); err != nil {
			return err
		}
		took := time.Since(begun)
		if asJSON {
			return p.printJSON(ping{Database: flags.kind(), Milliseconds: float64(took.Microseconds()) / 1000})
		}
		_, err := fmt.Fprintf(p.stdout, "%s answers, in %s.\n", flags.name(), took.Round(10*time.Microsecond))
		return err
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// ping is what "db ping --json" prints.
type ping struct {
	Database     string  `json:"database"` // sqlite or postgres
	Milliseconds float64 `json:"milliseconds"`
}
