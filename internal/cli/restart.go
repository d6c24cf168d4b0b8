package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"velador/api"
)

func (p *program) restartCommand() *cobra.Command {
	var (
		remote remoteFlags
		ref    refFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "restart PID",
		Short: "end a collector's process and start it anew",
		Long: `End a collector's process, which brings home what it holds, and start another one at once, under
the same id. One that waits for its next attempt, which only --id names, waits no longer. It
answers when the new process runs.`,
		Example: `  velador restart 12345
  velador restart --id 7`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completePIDs(&remote),
		RunE: func(cmd *cobra.Command, args []string) error {
			which, err := ref.parse(args)
			if err != nil {
				return err
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			answer, err := c.Restart(cmd.Context(), api.RestartRequest(which))
			if err != nil {
				return remote.remote(err)
			}
			if asJSON {
				return p.printJSON(answer)
			}
			_, err = fmt.Fprintf(p.stdout, "%s (PID %d, id %d)\n", answer.Message, answer.PID, answer.ID)
			return err
		},
	}
	remote.register(cmd.Flags())
	ref.register(cmd.Flags())
	p.completeIDFlag(cmd, &remote)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
