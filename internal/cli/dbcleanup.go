package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"velador/internal/store"
	"velador/internal/supervise"
)

func (p *program) dbCleanupCommand() *cobra.Command {
	var (
		olderThan time.Duration
		asJSON    bool
	)
	cmd := p.dbRun("cleanup", "remove the rows of collectors that stopped long ago; candles stay", dbTimeout,
		func(ctx context.Context, _ *databaseFlags, db store.Store) error {
			if olderThan < 0 {
				return usagef("--older-than=%s lies in the future: use a duration such as 168h", olderThan)
			}
			n, err := supervise.NewFleet(supervise.FleetConfig{Rows: supervise.NewRows(db)}).Cleanup(ctx, olderThan)
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(map[string]any{"removed": n})
			}
			_, err = fmt.Fprintf(p.stdout, "%d rows removed.\n", n)
			return err
		})
	cmd.Long = `Remove the rows of collectors that stopped longer ago than --older-than, with the history of their
lives. The server does the same each hour. Candles are never touched.`
	cmd.Example = "  velador db cleanup\n  velador db cleanup --older-than 24h"
	cmd.Flags().DurationVar(&olderThan, "older-than", keepStopped, "how long ago a collector must have stopped")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
