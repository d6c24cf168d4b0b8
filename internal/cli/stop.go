package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) stopCommand() *cobra.Command {
	var (
		remote remoteFlags
		ref    refFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "stop PID",
		Short: "stop a collector",
		Long:  "Stop a collector. It answers when the process has brought home what it held and is gone.",
		Example: `  velador stop 12345
  velador stop --id 7`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completePIDs(&remote),
		RunE: func(cmd *cobra.Command, args []string) error {
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
