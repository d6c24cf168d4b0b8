package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
)

func (p *program) verifyCommand() *cobra.Command {
	var (
		remote   remoteFlags
		request  api.VerifyRequest
		from, to string
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "verify SYMBOL TIMEFRAME",
		Short: "hold what is stored against the exchange's history, digit for digit",
		Long: `Compare every stored candle of a series with what the exchange's REST history says today, digit for
digit. What differs is corrected and what is missing is stored, unless --dry-run; what the exchange no
longer has is kept, and reported. Collectors do this by themselves for every hour a little after it
ended; this command does it for any stretch, as fast as the exchange's limits allow.

The exit code is 0 when everything stored was right, and 5 when it was not, corrected or not.`,
		Example: `  velador verify ETHUSDT 1m
  velador verify BTCUSDT 1h --from 2026-01-01 --to 2026-06-30 --dry-run
  velador verify ETHUSDT 1m --json | jq '.differing'`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: p.completeSeries(&remote, &request.Exchange),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Symbol, request.Timeframe = args[0], args[1]
			for _, end := range []struct {
				name, value string
				read        func(name, value string) (time.Time, error)
				at          *string
			}{{"from", from, timeFlag, &request.From}, {"to", to, endFlag, &request.To}} {
				when, err := end.read(end.name, end.value)
				if err != nil {
					return err
				}
				if !when.IsZero() {
					*end.at = strconv.FormatInt(when.UnixMilli(), 10)
				}
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			var (
				bar  *gauge
				told int64
			)
			watcher := client.VerifyWatcher{Progress: func(v api.VerifyProgress) {
				if bar == nil {
					bar = p.newGauge("verifying "+request.Symbol+" "+request.Timeframe, "candles", v.Expected)
				}
				bar.set(v.Done, verifyNote(v))
			}}
			if !asJSON {
				watcher.Difference = func(d api.VerifyDifference) {
					told++
					if line := differenceLine(d); bar != nil {
						bar.say(p.stdout, line)
					} else {
						_, _ = fmt.Fprintln(p.stdout, line)
					}
				}
			}
			report, err := c.Verify(cmd.Context(), request, watcher)
			if bar != nil {
				bar.end(err == nil)
			}
			if err != nil {
				return remote.remote(err)
			}
			if asJSON {
				err = p.printJSON(report)
			} else {
				_, err = fmt.Fprint(p.stdout, verifyReport(report, told))
			}
			if err == nil && report.Differing+report.Missing+report.Vanished > 0 {
				return exitError{errSilent, ExitDifferences}
			}
			return err
		},
	}
	remote.register(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&request.Exchange, "exchange", "", "exchange that the candles are from (default binance)")
	completeExchange(cmd)
	flags.StringVar(&from, "from", "", "first open time, included: epoch milliseconds, RFC 3339 or a UTC date (default: the oldest stored)")
	flags.StringVar(&to, "to", "", "last open time, included; a date means all of its day (default: the newest stored)")
	flags.BoolVar(&request.DryRun, "dry-run", false, "report only, change nothing")
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON, as the API sends it")
	return cmd
}

// verifyNote is what stands beside a bar.
func verifyNote(v api.VerifyProgress) string {
	var notes []string
	if n := v.Differing + v.Missing + v.Vanished; n > 0 {
		notes = append(notes, fmt.Sprintf("%d wrong", n))
	}
	if !v.Waiting.IsZero() {
		notes = append(notes, "the exchange refuses requests until "+v.Waiting.String())
	}
	return strings.Join(notes, ", ")
}

// differenceLine tells of one candle: when, what is wrong, and the values that differ.
func differenceLine(d api.VerifyDifference) string {
	switch {
	case d.Stored == nil && d.Served == nil: // of a newer server
		return d.Kind
	case d.Stored == nil:
		return fmt.Sprintf("%s  missing    %s", openOf(d.Served), ohlcv(d.Served))
	case d.Served == nil:
		return fmt.Sprintf("%s  vanished   %s", openOf(d.Stored), ohlcv(d.Stored))
	}
	text := openOf(d.Stored) + "  differing "
	for _, value := range []struct{ name, stored, served string }{
		{"open", d.Stored.Open, d.Served.Open}, {"high", d.Stored.High, d.Served.High}, {"low", d.Stored.Low, d.Served.Low},
		{"close", d.Stored.Close, d.Served.Close}, {"volume", d.Stored.Volume, d.Served.Volume},
		{"close time", strconv.FormatInt(d.Stored.CloseTime, 10), strconv.FormatInt(d.Served.CloseTime, 10)},
		{"quote volume", d.Stored.QuoteVolume, d.Served.QuoteVolume},
		{"trades", strconv.FormatInt(d.Stored.Trades, 10), strconv.FormatInt(d.Served.Trades, 10)},
		{"taker buy volume", d.Stored.TakerBuyVolume, d.Served.TakerBuyVolume},
		{"taker buy quote volume", d.Stored.TakerBuyQuoteVolume, d.Served.TakerBuyQuoteVolume},
	} {
		if value.stored != value.served {
			text += fmt.Sprintf(" %s %s → %s", value.name, value.stored, value.served)
		}
	}
	return text
}

func openOf(c *api.Candle) string { return candle.Millis(c.OpenTime).String() }

func ohlcv(c *api.Candle) string {
	return strings.Join([]string{c.Open, c.High, c.Low, c.Close, c.Volume}, " ")
}

// verifyReport puts a report into words, with one figure a line. told is how many of what was wrong was
// listed before.
func verifyReport(r api.VerifyReport, told int64) string {
	name := fmt.Sprintf("%s %s on %s", r.Symbol, r.Timeframe, r.Exchange)
	if r.From == nil || r.To == nil {
		return name + ": everything that is stored there is younger than five minutes, and the exchange's history is not final yet.\n"
	}
	var text strings.Builder
	verdict := "everything stored is as the exchange has it"
	if wrong := r.Differing + r.Missing + r.Vanished; wrong > 0 {
		verdict = fmt.Sprintf("%d candles were wrong, %d of them corrected", wrong, r.Corrected)
		if r.DryRun {
			verdict = fmt.Sprintf("%d candles are wrong; nothing was changed", wrong)
		}
	}
	fmt.Fprintf(&text, "%s: %s.\n", name, verdict)
	fmt.Fprintf(&text, "  from            %s\n  to              %s\n", candle.Millis(*r.From), candle.Millis(*r.To))
	for _, line := range []struct {
		name  string
		count int64
	}{
		{"compared", r.Checked}, {"differing", r.Differing}, {"missing", r.Missing}, {"vanished", r.Vanished}, {"absent", r.Absent},
		{"corrected", r.Corrected}, {"requests", r.Requests},
	} {
		fmt.Fprintf(&text, "  %-12s%12d\n", line.name, line.count)
	}
	fmt.Fprintf(&text, "  %-12s%11.1fs\n", "took", r.Seconds)
	if told < r.Differing+r.Missing+r.Vanished {
		fmt.Fprintf(&text, "Listed are the first %d of those that were wrong.\n", told)
	}
	if r.ConfirmedFrom != nil && r.ConfirmedTo != nil {
		fmt.Fprintf(&text, "The series is confirmed from %s to %s.\n", candle.Millis(*r.ConfirmedFrom), candle.Millis(*r.ConfirmedTo))
	}
	return text.String()
}
