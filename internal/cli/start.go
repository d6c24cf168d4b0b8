package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"velador/api"
)

func (p *program) startCommand() *cobra.Command {
	var (
		remote  remoteFlags
		request api.StartRequest
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:        "start SELECTOR TIMEFRAME",
		SuggestFor: []string{"run", "add"},
		Short:      "start a collector",
		Long: `Start a collector: a process that follows one symbol, a list or a glob of symbols, in one
timeframe, until it is stopped. It answers when the process runs.`,
		Example: `  velador start ETHUSDT 1m
  velador start ETHUSDT,BTCUSDT 5m --since 2026-01-01
  velador start '*USDT' 1h --since 30d`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: p.completeStart(&remote, &request.Exchange),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			request.Symbol, request.Timeframe = args[0], args[1]
			answer, err := c.Start(cmd.Context(), request)
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
	cmd.Flags().StringVar(&request.Exchange, "exchange", "", "exchange to collect from (default binance)")
	completeExchange(cmd)
	cmd.Flags().StringVar(&request.Since, "since", "", "where the first back-fill begins: a time, or a duration before now such as 24h or 30d (default: now)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
