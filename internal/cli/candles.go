package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
)

// How many candles are shown where no --limit says it.
const (
	fewCandles  = 20     // in a table, of the newest
	mostCandles = 10_000 // of a time: the server gives no more at once, and nobody reads more in a table
)

func (p *program) candlesCommand() *cobra.Command {
	var (
		remote        remoteFlags
		query         client.CandlesQuery
		from, to      string
		asCSV, asJSON bool
	)
	cmd := &cobra.Command{
		Use:        "candles SYMBOL TIMEFRAME",
		SuggestFor: []string{"export", "klines"},
		Short:      "print stored candles",
		Long: `Print stored candles, oldest first. Every decimal is what the exchange sent, digit for digit.

Without --from and --to these are the newest: as many as --limit says, else 20 in the table, 500 with
--json and all with --csv. With one of them these are the candles of that time from its beginning on: as
many as --limit says, else up to 10000 in the table and with --json, which say when there are more, and
all with --csv. --limit is at most 10000, with --csv any number.

In a narrow terminal columns are left out; --csv and --json have them all. The exit code is 3 when nothing
of the series is stored.`,
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
			newest := query.From.IsZero() && query.To.IsZero()
			if asCSV {
				if newest && query.Limit > 0 {
					if query.From, err = startOfNewest(cmd.Context(), c, query); err != nil {
						return remote.remote(err)
					}
				}
				return p.exportCSV(cmd.Context(), c, &remote, query)
			}
			whole := query.Limit == 0 && !newest // all of that time is asked for
			switch query.Descending = newest; {
			case whole:
				query.Limit = mostCandles
			case query.Limit == 0 && !asJSON:
				query.Limit = fewCandles
			}
			answer, err := c.Candles(cmd.Context(), query)
			if err != nil {
				return remote.remote(err)
			}
			if len(answer.Candles) == 0 {
				if err := nothingOf(cmd.Context(), c, &remote, query.Series); err != nil {
					return err
				}
			}
			if newest {
				slices.Reverse(answer.Candles)
			}
			switch {
			case asJSON:
				err = p.printJSON(answer)
			case len(answer.Candles) == 0:
				_, err = fmt.Fprintf(p.stdout, "No candles of %s %s are stored for that time: velador coverage %s %s shows what is.\n", answer.Symbol, answer.Timeframe, answer.Symbol, answer.Timeframe)
			default:
				err = printCandles(p.stdout, answer.Candles, terminalWidth(p.stdout))
			}
			if err != nil || !whole || len(answer.Candles) < mostCandles {
				return err
			}
			return p.tellMore(cmd.Context(), c, &remote, query, answer.Candles[mostCandles-1])
		},
	}
	remote.register(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&query.Exchange, "exchange", "", "exchange that the candles are from (default binance)")
	completeExchange(cmd)
	flags.StringVar(&from, "from", "", "first open time, included: epoch milliseconds, RFC 3339 or a UTC date")
	flags.StringVar(&to, "to", "", "last open time, included")
	flags.IntVar(&query.Limit, "limit", 0, "at most so many: without --from and --to the newest, else the first of that time")
	flags.BoolVar(&asCSV, "csv", false, "print CSV with all columns, any number of rows")
	flags.BoolVar(&asJSON, "json", false, "print JSON, as the API answers")
	cmd.MarkFlagsMutuallyExclusive("csv", "json")
	return cmd
}

// tellMore says that not all candles of a time were shown, where there are some behind the last one that was.
func (p *program) tellMore(ctx context.Context, c *client.Client, remote *remoteFlags, query client.CandlesQuery, last api.Candle) error {
	query.From, query.Limit = time.UnixMilli(last.OpenTime+1), 1
	if !query.To.IsZero() && query.From.After(query.To) {
		return nil
	}
	further, err := c.Candles(ctx, query)
	if err != nil {
		return remote.remote(err)
	}
	for _, next := range further.Candles {
		_, _ = fmt.Fprintf(p.stderr, "velador: these are the first %d candles of that time, and there are more: --csv has all, --from %s goes on from here\n",
			mostCandles, candle.Millis(next.OpenTime).Time().Format(time.RFC3339Nano))
	}
	return nil
}

// printCandles prints a table, at most width cells wide where width is not 0.
func printCandles(w io.Writer, candles []api.Candle, width int) error {
	const minute = 60_000
	form := "2006-01-02 15:04"
	if slices.ContainsFunc(candles, func(c api.Candle) bool { return c.OpenTime%minute != 0 }) {
		form += ":05"
	}
	columns := []column{
		{name: "OPEN TIME"}, {name: "OPEN", right: true}, {name: "HIGH", right: true}, {name: "LOW", right: true}, {name: "CLOSE", right: true},
		{name: "VOLUME", gives: 1, right: true}, {name: "TRADES", gives: 2, right: true},
	}
	cells := make([][]string, len(columns))
	for _, c := range candles {
		for i, cell := range []string{candle.Millis(c.OpenTime).Time().Format(form), c.Open, c.High, c.Low, c.Close, c.Volume, strconv.FormatInt(c.Trades, 10)} {
			cells[i] = append(cells[i], cell)
		}
	}
	return printTable(w, columns, cells, width)
}

// nothingOf is an error where nothing of a series is stored at all, for whatever time.
func nothingOf(ctx context.Context, c *client.Client, remote *remoteFlags, series client.Series) error {
	whole, err := c.Coverage(ctx, client.Series{Symbol: series.Symbol, Timeframe: series.Timeframe, Exchange: series.Exchange})
	if err != nil {
		return remote.remote(err)
	}
	if !nothingKnown(whole) {
		return nil
	}
	return exitError{fmt.Errorf("nothing of %s %s on %s is stored there: velador status --all lists what is collected, velador start what should be",
		whole.Symbol, whole.Timeframe, whole.Exchange), ExitNotFound}
}

// timeFlag reads a time as people write it; empty is no time.
func timeFlag(name, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	m, err := millisFlag(name, value)
	return m.Time(), err
}
