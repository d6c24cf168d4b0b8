package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
)

// minWatch keeps --watch from becoming a load.
const minWatch = 100 * time.Millisecond

func (p *program) statusCommand() *cobra.Command {
	var (
		remote remoteFlags
		all    bool
		asJSON bool
		watch  bool
		every  time.Duration
	)
	cmd := &cobra.Command{
		Use:        "status",
		SuggestFor: []string{"ps", "ls", "list"},
		Short:      "list what is being collected",
		Long: `List the collectors whose process runs; with --all those too that have none at this moment, with the
reason and the time of the next attempt.

LAST CANDLE is the age of the newest closed candle by the exchange's clock, RATE the messages that the
exchange sends, GAPS what is still asked for. In a narrow terminal columns are left out; --json has them all.`,
		Example: `  velador status
  velador status --all
  velador status --watch
  velador status --json | jq '.collectors[].pid'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			if every < minWatch {
				return usagef("--every %s is too often: use at least %s", every, minWatch)
			}
			for {
				list := c.Status
				if all {
					list = c.Collectors
				}
				found, err := list(cmd.Context())
				if err != nil {
					return remote.remote(err)
				}
				if watch && !asJSON && isTerminal(p.stdout) {
					// From the top of the screen, so that the table stands still while its figures change.
					_, _ = io.WriteString(p.stdout, "\x1b[H\x1b[2J")
				}
				answer := api.CollectorsAnswer{Collectors: found} // as that of the status
				switch {
				case asJSON && watch:
					err = p.printJSONLine(answer)
				case asJSON:
					err = p.printJSON(answer)
				default:
					err = printStatus(p.stdout, found, terminalWidth(p.stdout), time.Now())
				}
				if err != nil || !watch {
					return err
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(every):
				}
			}
		},
	}
	remote.register(cmd.Flags())
	cmd.Flags().BoolVarP(&all, "all", "a", false, "those without a process too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as the API answers; with --watch one object a line")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again and again, until Ctrl-C")
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often --watch looks")
	return cmd
}

// uptime writes seconds as people say them: 42s, 3m12s, 5h03m, 12d4h.
func uptime(seconds int64) string {
	minutes, hours, days := seconds/60, seconds/3600, seconds/86400
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours%24)
	case hours > 0:
		return fmt.Sprintf("%dh%02dm", hours, minutes%60)
	case minutes > 0:
		return fmt.Sprintf("%dm%02ds", minutes, seconds%60)
	}
	return fmt.Sprintf("%ds", seconds)
}
