package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"velador/client"
	"velador/internal/candle"
)

func (p *program) candlesCommand() *cobra.Command {
	var (
		remote        remoteFlags
		query         client.CandlesQuery
		from, to      string
		asCSV, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "candles SYMBOL TIMEFRAME",
		Short: "print stored candles",
		Long: `Print stored candles, oldest first. Without --from and --to the table shows the newest ones, and
--csv prints all. Every decimal is what the exchange sent, digit for digit.`,
		Example: `  velador candles ETHUSDT 1m
  velador candles ETHUSDT 1m --from 2026-11-23 --to 2026-11-24 --csv > eth.csv
  velador candles BTCUSDT 1h --limit 5 --json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: p.completeSeries(&remote, &query.Exchange),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			query.Symbol, query.Timeframe = args[0], args[1]
			if query.From, err = timeFlag("from", from); err != nil {
				return err
			}
			if query.To, err = timeFlag("to", to); err != nil {
				return err
			}
			if query.Limit < 0 {
				return usagef("--limit %d: give a number above 0", query.Limit)
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			if asCSV {
				return p.exportCSV(cmd.Context(), c, &remote, query)
			}
			newest := query.From.IsZero() && query.To.IsZero()
			if newest {
				query.Descending = true
			}
			if query.Limit == 0 && newest && !asJSON {
				query.Limit = 20
			}
			answer, err := c.Candles(cmd.Context(), query)
			if err != nil {
				return remote.remote(err)
			}
			if newest {
				slices.Reverse(answer.Candles)
			}
			if asJSON {
				return p.printJSON(answer)
			}
			if len(answer.Candles) == 0 {
				_, err := fmt.Fprintf(p.stdout, "No candles of %s %s are stored there. Is it being collected? velador status\n", query.Symbol, query.Timeframe)
				return err
			}
			t := table.NewWriter()
			t.SetStyle(plainTable)
			t.AppendHeader(table.Row{"OPEN TIME", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME", "TRADES"})
			for _, c := range answer.Candles {
				t.AppendRow(table.Row{candle.Millis(c.OpenTime).Time().Format("2006-01-02 15:04:05"), c.Open, c.High, c.Low, c.Close, c.Volume, c.Trades})
			}
			_, err = fmt.Fprintln(p.stdout, t.Render())
			return err
		},
	}
	remote.register(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&query.Exchange, "exchange", "", "exchange that the candles are from (default binance)")
	completeExchange(cmd)
	flags.StringVar(&from, "from", "", "first open time, included: epoch milliseconds, RFC 3339 or a UTC date")
	flags.StringVar(&to, "to", "", "last open time, included")
	flags.IntVar(&query.Limit, "limit", 0, "at most so many")
	flags.BoolVar(&asCSV, "csv", false, "print CSV with all columns, any number of rows")
	flags.BoolVar(&asJSON, "json", false, "print JSON, as the API answers")
	cmd.MarkFlagsMutuallyExclusive("csv", "json")
	return cmd
}

// timeFlag reads a time as people write it; empty is no time.
func timeFlag(name, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	m, err := millisFlag(name, value)
	return m.Time(), err
}
