package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) stopCommand() *cobra.Command {
	var (
		remote      remoteFlags
		ref         refFlags
		asJSON      bool
		all, agreed bool
	)
	cmd := &cobra.Command{
		Use:        "stop PID",
		SuggestFor: []string{"kill", "rm"},
		Short:      "stop a collector, or all",
		Long: `Stop a collector. It answers when the process has brought home what it held and is gone.

--all stops every collector, side by side. It asks first; where there is nobody to ask, --yes is
needed.`,
		Example: `  velador stop 12345
  velador stop --id 7
  velador stop --all --yes`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completePIDs(&remote),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && (len(args) > 0 || ref.id != 0):
				return usagef("--all stops every collector: give no PID and no --id beside it")
			case all:
				return p.stopAll(cmd.Context(), &remote, agreed, asJSON)
			case agreed:
				return usagef("--yes answers the question of --all: nothing else asks one")
			}
			request, err := ref.parse(args)
			if err != nil {
				return err
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			answer, err := c.Stop(cmd.Context(), request)
			if err != nil {
				return remote.remote(err)
			}
			if asJSON {
				return p.printJSON(answer)
			}
			_, err = fmt.Fprintf(p.stdout, "%s (PID %d)\n", answer.Message, answer.PID)
			return err
		},
	}
	remote.register(cmd.Flags())
	ref.register(cmd.Flags())
	p.completeIDFlag(cmd, &remote)
	cmd.Flags().BoolVar(&all, "all", false, "stop every collector")
	cmd.Flags().BoolVar(&agreed, "yes", false, "with --all: do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
