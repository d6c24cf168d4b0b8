package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
)

// maxTail is the largest number of lines that the server gives at once.
const maxTail = 10_000

func (p *program) logsCommand() *cobra.Command {
	var (
		remote remoteFlags
		ref    refFlags
		follow bool
		asJSON bool
		tail   int
	)
	cmd := &cobra.Command{
		Use:        "logs PID",
		SuggestFor: []string{"log", "tail"},
		Short:      "print what a collector says",
		Example: `  velador logs 12345
  velador logs --id 7 --tail 500
  velador logs 12345 -f
  velador logs 12345 -f --json | jq -r .line`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completePIDs(&remote),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := ref.parse(args)
			if err != nil {
				return err
			}
			if tail < 1 || tail > maxTail {
				return usagef("--tail %d: give a number from 1 to %d", tail, maxTail)
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			id, err := idOf(cmd.Context(), c, request)
			if err != nil {
				return remote.remote(err)
			}
			printLine := func(line string) error {
				if asJSON {
					return p.printJSONLine(followedLine{ID: id, Line: line})
				}
				_, err := fmt.Fprintln(p.stdout, line)
				return err
			}
			if follow {
				err := c.FollowLogs(cmd.Context(), id, tail, printLine)
				if errors.Is(err, context.Canceled) {
					return nil // Ctrl-C is how one stops following
				}
				return remote.remote(err)
			}
			lines, err := c.Logs(cmd.Context(), id, tail)
			if err != nil {
				return remote.remote(err)
			}
			if asJSON {
				return p.printJSON(api.LogsAnswer{ID: id, Lines: lines})
			}
			for _, line := range lines {
				if err := printLine(line); err != nil {
					return err
				}
			}
			return nil
		},
	}
	remote.register(cmd.Flags())
	ref.register(cmd.Flags())
	p.completeIDFlag(cmd, &remote)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing as the collector goes on")
	cmd.Flags().IntVar(&tail, "tail", 50, "how many of the newest lines to begin with")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as the API answers; with --follow one object a line, each with the id and a line of the log")
	return cmd
}

// followedLine is a line of a log as "logs --follow --json" prints it.
type followedLine struct {
	ID   int64  `json:"id"`
	Line string `json:"line"`
}

// idOf finds the id of a running collector by its PID.
func idOf(ctx context.Context, c *client.Client, ref api.StopRequest) (int64, error) {
	if ref.ID != 0 {
		return ref.ID, nil
	}
	running, err := c.Status(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range running {
		if r.PID == ref.PID {
			return r.ID, nil
		}
	}
	return 0, exitError{fmt.Errorf("no collector runs with PID %d: velador status lists them; of one that has ended, logs are read by --id", ref.PID), ExitNotFound}
}
