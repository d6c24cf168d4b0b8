package cli

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
)

func (p *program) coverageCommand() *cobra.Command {
	var (
		remote   remoteFlags
		series   client.Series
		from, to string
		month    string
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "coverage SYMBOL TIMEFRAME",
		Short: "show how complete a series is, day by day",
		Long: `Show how complete a series is: a calendar of each month in which every day is marked, and how many
candles are expected, present, repaired (missing at first, found later), absent (the exchange has none
itself) and open (missing, and still asked for). Days are days in UTC; candles of more than a day are
marked on the day on which they open. The exit code is 0 also when gaps are open, and 3 when nothing
of the series is stored.

Colours mark the days in a terminal, beside the characters, unless NO_COLOR is set.`,
		Example: `  velador coverage ETHUSDT 1m
  velador coverage ETHUSDT 1m --month 2026-11
  velador coverage BTCUSDT 1h --from 2026-01-01 --to 2026-06-30
  velador coverage ETHUSDT 1m --json | jq '.days[] | select(.open > 0)'`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: p.completeSeries(&remote, &series.Exchange),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			series.Symbol, series.Timeframe = args[0], args[1]
			if series.From, err = timeFlag("from", from); err != nil {
				return err
			}
			if series.To, err = endFlag("to", to); err != nil {
				return err
			}
			if month != "" {
				if from != "" || to != "" {
					return usagef("give --month, or --from and --to, not both")
				}
				if series.From, err = time.Parse("2006-01", month); err != nil {
					return usagef("--month %q is no month: give one such as 2026-11", month)
				}
				series.To = series.From.AddDate(0, 1, 0).Add(-time.Millisecond)
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			answer, err := c.CoverageByDay(cmd.Context(), series)
			if err != nil {
				return remote.remote(err)
			}
			if nothingKnown(answer) {
				if err := nothingOf(cmd.Context(), c, &remote, series); err != nil { // not of this stretch alone
					return err
				}
			}
			if asJSON {
				return p.printJSON(answer)
			}
			text, err := coverageCalendar(answer, p.colours(p.stdout))
			if err == nil {
				_, err = io.WriteString(p.stdout, text)
			}
			return err
		},
	}
	remote.register(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&series.Exchange, "exchange", "", "exchange that the candles are from (default binance)")
	completeExchange(cmd)
	flags.StringVar(&from, "from", "", "first open time, included: epoch milliseconds, RFC 3339 or a UTC date")
	flags.StringVar(&to, "to", "", "last open time, included; a date means all of its day")
	flags.StringVar(&month, "month", "", "one month, such as 2026-11, instead of --from and --to")
	flags.BoolVar(&asJSON, "json", false, "print JSON, as the API answers")
	return cmd
}

// endFlag reads the end of a stretch of days, of which a date alone means the last instant.
func endFlag(name, value string) (time.Time, error) {
	if date, err := time.Parse(time.DateOnly, value); err == nil {
		return date.AddDate(0, 0, 1).Add(-time.Millisecond), nil
	}
	return timeFlag(name, value)
}

// nothingKnown tells that neither a candle nor a gap lies in the stretch of an answer.
func nothingKnown(c api.CoverageAnswer) bool { return c.First == nil && len(c.Gaps) == 0 }

// colours tells whether to colour what is printed to a stream: to a terminal that can, whose user does
// not object (no-color.org).
func (p *program) colours(stream any) bool {
	_, objected := p.env.lookup("NO_COLOR")
	kind, _ := p.env.lookup("TERM")
	return isTerminal(stream) && !objected && kind != "dumb"
}
