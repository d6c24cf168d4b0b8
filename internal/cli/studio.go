package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"velador/internal/dashboard"
	"velador/internal/server"
)

// studioPort is where the studio listens when nobody says otherwise.
const studioPort = 5555

func (p *program) dbStudioCommand() *cobra.Command {
	var (
		logs     logFlags
		database databaseFlags
		listen   = listenFlags{host: "127.0.0.1"} // it knows no token, so it never leaves this machine
	)
	cmd := &cobra.Command{
		Use:   "studio",
		Short: "browse the tables in a browser, read-only",
		Long: `Show what is in the database in a browser: collectors, series, candles and gaps, with filters,
sorting and CSV. Nothing can be changed. It needs no running server, and does not mind one; it
listens on this machine alone.`,
		Example: `  velador db studio
  DATABASE_URL=postgres://velador@localhost/velador velador db studio --port 5556`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := logs.logger(p.stderr)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if err := database.exists(); err != nil {
				return err
			}
			db, err := database.open(ctx, logger)
			if err != nil {
				return err
			}
			defer db.Close()
			looking, cancel := context.WithTimeout(ctx, dbTimeout)
			defer cancel()
			steps, err := db.Migrations(looking)
			if err != nil {
				return err
			}
			for _, step := range steps {
				if step.Applied.IsZero() {
					return usagef("the database in %s is not up to date: \"velador db migrate\" brings it there", database.name())
				}
			}
			ln, err := listen.open(ctx)
			if err != nil {
				return err
			}
			studio := server.NewStudio(server.Config{
				Browser: db, Candles: db, Dashboard: dashboard.Studio(), Logger: logger, Version: version(), Hosts: listen.hosts(),
			})
			if _, err := fmt.Fprintf(p.stdout, "%s is shown on http://%s\n", database.name(), ln.Addr()); err != nil {
				return errors.Join(err, ln.Close())
			}
			return studio.Run(ctx, ln)
		},
	}
	logs.register(cmd.Flags())
	database.register(p, cmd.Flags())
	cmd.Flags().IntVar(&listen.port, "port", studioPort, "port to listen on, 0 for any that is free")
	return cmd
}

// exists tells, of a file, that it is there: to look at a database must not make one.
func (f *databaseFlags) exists() error {
	if f.url != "" {
		return nil
	}
	file := filepath.Join(f.dataDir, sqliteFile)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return usagef("there is no database in %s: --data-dir or DATABASE_URL names the one to show", f.dataDir)
	} else if err != nil {
		return fmt.Errorf("look for the database: %w", err)
	}
	return nil
}
