package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"velador/api"
)

// minWatch keeps --watch from becoming a load.
const minWatch = 100 * time.Millisecond

func (p *program) statusCommand() *cobra.Command {
	var (
		remote remoteFlags
		asJSON bool
		watch  bool
		every  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "list what is being collected",
		Example: `  velador status
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
				running, err := c.Status(cmd.Context())
				if err != nil {
					return remote.remote(err)
				}
				if watch && isTerminal(p.stdout) {
					// From the top of the screen, so that the table stands still while its figures change.
					_, _ = io.WriteString(p.stdout, "\x1b[H\x1b[2J")
				}
				if asJSON {
					err = p.printJSON(api.StatusAnswer{Collectors: running})
				} else {
					err = printStatus(p.stdout, running)
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as the API answers")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again and again, until Ctrl-C")
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often --watch looks")
	return cmd
}

// printStatus prints a table that fits a terminal of eighty columns for ordinary selectors.
func printStatus(w io.Writer, collectors []api.CollectorStatus) error {
	if len(collectors) == 0 {
		_, err := fmt.Fprintln(w, "Nothing is being collected. Start something: velador start ETHUSDT 1m")
		return err
	}
	t := table.NewWriter()
	t.SetStyle(plainTable)
	t.AppendHeader(table.Row{"ID", "PID", "EXCHANGE", "SYMBOL", "TIMEFRAME", "STATUS", "UPTIME", "RESTARTS"})
	for _, c := range collectors {
		t.AppendRow(table.Row{c.ID, c.PID, c.Exchange, text.Trim(c.Symbol, 40), c.Timeframe, c.Status, uptime(c.Uptime), c.Restarts})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// plainTable has no lines: what scripts cut and people read alike.
var plainTable = func() table.Style {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	return style
}()

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
