package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"velador/api"
)

// maxHistory is the largest number of lives that the server gives at once.
const maxHistory = 1000

func (p *program) historyCommand() *cobra.Command {
	var (
		remote remoteFlags
		asJSON bool
		limit  int
	)
	cmd := &cobra.Command{
		Use:   "history ID",
		Short: "list the former lives of a collector's process",
		Long:  `List the lives of a collector's process that have ended, newest first: when, how long, and how each ended.`,
		Example: `  velador history 7
  velador history 7 --limit 100 --json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeIDs(&remote),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usagef("%q is no id: velador status --all lists the ids of the collectors", args[0])
			}
			if limit < 1 || limit > maxHistory {
				return usagef("--limit %d: give a number from 1 to %d", limit, maxHistory)
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			lives, err := c.History(cmd.Context(), id, limit)
			if err != nil {
				return remote.remote(err)
			}
			if asJSON {
				return p.printJSON(api.HistoryAnswer{ID: id, Lives: lives})
			}
			return printHistory(p.stdout, lives, terminalWidth(p.stdout))
		},
	}
	remote.register(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 20, "how many of the newest lives")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as the API answers")
	return cmd
}

// minWhy is the least room for why a life ended, in cells.
const minWhy = 20

// printHistory prints a table of lives, at most width cells wide where width is not 0.
func printHistory(w io.Writer, lives []api.Life, width int) error {
	if len(lives) == 0 {
		_, err := fmt.Fprintln(w, "No life of its process has ended.")
		return err
	}
	columns := []column{
		{name: "PID", gives: 1}, {name: "HOST", gives: 3}, {name: "STARTED"}, {name: "ENDED", gives: 2}, {name: "LASTED"},
		{name: "HOW"}, {name: "WHY", least: minWhy, wraps: true},
	}
	cells := make([][]string, len(columns))
	for _, life := range lives {
		pid := none
		if life.PID > 0 {
			pid = strconv.Itoa(life.PID)
		}
		lasted := max(0, life.EndedAt.Sub(life.StartedAt.Time))
		for i, cell := range []string{pid, life.Host, life.StartedAt.String(), life.EndedAt.String(), uptime(int64(lasted.Seconds())), life.Text, oneLine(life.Reason)} {
			cells[i] = append(cells[i], cell)
		}
	}
	return printTable(w, columns, cells, width)
}
