package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
)

// What a shell completes comes from the server. It is asked while somebody waits at the key: within
// completeTimeout it answers, or nothing is completed. A failure is never said, it would be printed
// into the command line.

// completeTimeout bounds one completion.
const completeTimeout = 2 * time.Second

// maxCompletions is how many symbols are offered at once.
const maxCompletions = 200

// noFiles: what is completed is no name of a file.
const noFiles = cobra.ShellCompDirectiveNoFileComp

// completing makes a completion of answers of the server.
func (p *program) completing(remote *remoteFlags, offer func(ctx context.Context, c *client.Client, args []string, begun string) ([]string, cobra.ShellCompDirective)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if p.fillFlags(cmd) != nil {
			return nil, noFiles
		}
		c, err := remote.client(p)
		if err != nil {
			return nil, noFiles
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		return offer(ctx, c, args, begun)
	}
}

// completePIDs completes the PIDs of running collectors.
func (p *program) completePIDs(remote *remoteFlags) cobra.CompletionFunc {
	return p.completing(remote, func(ctx context.Context, c *client.Client, args []string, _ string) (pids []string, _ cobra.ShellCompDirective) {
		if len(args) != 0 {
			return nil, noFiles
		}
		running, err := c.Status(ctx)
		if err != nil {
			return nil, noFiles
		}
		for _, r := range running {
			pids = append(pids, described(strconv.Itoa(r.PID), r))
		}
		return pids, noFiles
	})
}

// completeIDs completes the ids of collectors, those without a process included.
func (p *program) completeIDs(remote *remoteFlags) cobra.CompletionFunc {
	return p.completing(remote, func(ctx context.Context, c *client.Client, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 0 {
			return nil, noFiles
		}
		return idsOf(ctx, c), noFiles
	})
}

// completeIDFlag completes the flag --id of a command.
func (p *program) completeIDFlag(cmd *cobra.Command, remote *remoteFlags) {
	completeFlag(cmd, "id", p.completing(remote, func(ctx context.Context, c *client.Client, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return idsOf(ctx, c), noFiles
	}))
}

func idsOf(ctx context.Context, c *client.Client) (ids []string) {
	all, err := c.Collectors(ctx)
	if err != nil {
		return nil
	}
	for _, one := range all {
		ids = append(ids, described(strconv.FormatInt(one.ID, 10), one))
	}
	return ids
}

// described adds what a shell shows beside a choice.
func described(choice string, c api.CollectorStatus) string {
	return fmt.Sprintf("%s\t%s %s, %s", choice, shorten(oneLine(c.Symbol), maxSymbol), c.Timeframe, c.Phase)
}

// completeStart completes SELECTOR, the last of a list of symbols, and TIMEFRAME.
func (p *program) completeStart(remote *remoteFlags, exchange *string) cobra.CompletionFunc {
	return p.completing(remote, func(ctx context.Context, c *client.Client, args []string, begun string) (choices []string, _ cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
		case 1:
			return timeframes(), noFiles | cobra.ShellCompDirectiveKeepOrder
		default:
			return nil, noFiles
		}
		list := begun[:strings.LastIndexByte(begun, ',')+1]
		last := begun[len(list):]
		found, err := c.Symbols(ctx, *exchange, last, maxCompletions)
		if err != nil {
			return nil, noFiles
		}
		for _, symbol := range found.Symbols {
			if begins(symbol, last) {
				choices = append(choices, list+symbol)
			}
		}
		// A comma may follow, and another symbol.
		return choices, noFiles | cobra.ShellCompDirectiveNoSpace
	})
}

// completeSeries completes SYMBOL and TIMEFRAME of what is stored.
func (p *program) completeSeries(remote *remoteFlags, exchange *string) cobra.CompletionFunc {
	return p.completing(remote, func(ctx context.Context, c *client.Client, args []string, begun string) (choices []string, _ cobra.ShellCompDirective) {
		if len(args) > 1 {
			return nil, noFiles
		}
		stored, err := c.Series(ctx)
		if err != nil && len(args) == 0 {
			return nil, noFiles
		}
		venue := cmp.Or(*exchange, exchangeNames[0])
		kept := make(map[string][]string) // timeframes by symbol
		for _, s := range stored {
			if s.Exchange == venue {
				kept[s.Symbol] = append(kept[s.Symbol], s.Timeframe)
			}
		}
		if len(args) == 1 {
			if choices = kept[args[0]]; len(choices) == 0 {
				choices = timeframes()
			}
			return choices, noFiles | cobra.ShellCompDirectiveKeepOrder
		}
		for symbol, of := range kept {
			if begins(symbol, begun) {
				choices = append(choices, symbol+"\t"+strings.Join(of, " "))
			}
		}
		slices.Sort(choices)
		return choices[:min(len(choices), maxCompletions)], noFiles
	})
}

// begins tells whether a choice goes on from what was typed; case does not matter.
func begins(choice, begun string) bool {
	return len(choice) >= len(begun) && strings.EqualFold(choice[:len(begun)], begun)
}

// completeTimeframes completes TIMEFRAME behind SELECTOR, of a command that needs no server.
func completeTimeframes(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, noFiles
	}
	return timeframes(), noFiles | cobra.ShellCompDirectiveKeepOrder
}

func timeframes() (names []string) {
	for _, tf := range candle.Timeframes() {
		names = append(names, tf.String())
	}
	return names
}

// completeExchange completes the flag --exchange of a command.
func completeExchange(cmd *cobra.Command) {
	completeFlag(cmd, "exchange", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return exchangeNames, noFiles
	})
}

// completeFlag gives a flag its completion.
func completeFlag(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag does not exist: a mistake of ours that every test of a command finds
	}
}
