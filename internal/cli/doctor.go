package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// doctorTimeout bounds each check; they run side by side.
const doctorTimeout = 5 * time.Second

// How well something is.
const (
	isWell   = "ok"
	isPoor   = "warn" // it works, and may not for long
	isBroken = "fail"
)

// finding is what a check found.
type finding struct {
	State string `json:"state"` // ok, warn or fail
	What  string `json:"what"`
	Says  string `json:"says"`
	Do    string `json:"do"` // what to do about it; "" where it is well
}

func well(what, says string, args ...any) finding {
	return finding{State: isWell, What: what, Says: fmt.Sprintf(says, args...)}
}

func poor(what, do, says string, args ...any) finding {
	return finding{isPoor, what, fmt.Sprintf(says, args...), do}
}

func broken(what, do, says string, args ...any) finding {
	return finding{isBroken, what, fmt.Sprintf(says, args...), do}
}

// diagnosis is all that was found, as --json prints it.
type diagnosis struct {
	OK     bool      `json:"ok"` // nothing failed
	Checks []finding `json:"checks"`
}

// check looks at one thing until ctx ends. It changes nothing and holds nothing that a server needs.
type check struct {
	what string
	look func(ctx context.Context) []finding
}

// doctor is what the checks look at.
type doctor struct {
	program   *program
	cmd       *cobra.Command
	remote    remoteFlags
	database  databaseFlags
	nats      natsFlags
	exchanges exchangeFlags
}

func (p *program) doctorCommand() *cobra.Command {
	var asJSON bool
	d := &doctor{program: p}
	cmd := &cobra.Command{
		Use:        "doctor",
		SuggestFor: []string{"check"},
		Short:      "look at everything velador needs, and say what to do where it is not well",
		Long: `Look at the database, the bus, the exchange and the clock, the limits of this machine, the disk, the
settings and the running server, all at once, each for ` + doctorTimeout.String() + ` at most, and say what to do about what is
not well. Nothing is changed, and a running server is not disturbed; none needs to run.

It sees the settings in the environment and the file .env; start it where the server is started.
The exit code is 0 when nothing failed, warnings or not, and 1 otherwise.`,
		Example: `  velador doctor
  velador doctor --json | jq '.checks[] | select(.state != "ok")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.cmd = cmd
			found, err := examine(cmd.Context(), d.checks(), doctorTimeout)
			if err != nil {
				return err
			}
			if asJSON {
				err = p.printJSON(found)
			} else {
				err = printDiagnosis(p.stdout, found, terminalWidth(p.stdout), p.colours(p.stdout))
			}
			if err == nil && !found.OK {
				return exitError{errSilent, ExitFailure}
			}
			return err
		},
	}
	flags := cmd.Flags()
	d.remote.register(flags)
	d.database.register(p, flags)
	d.nats.register(flags)
	d.exchanges.register(flags)
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checks are all, in the order in which they are told.
func (d *doctor) checks() []check {
	return []check{
		{"settings", d.lookAtSettings},
		{"data directory", d.lookAtDataDir},
		{"database", d.lookAtDatabase},
		{"bus", d.lookAtBus},
		{"exchange", d.lookAtExchange},
		{"limits", d.lookAtLimits},
		{"server", d.lookAtServer},
	}
}

// examine runs all checks side by side. The error is ctx's.
func examine(ctx context.Context, checks []check, patience time.Duration) (diagnosis, error) {
	results := make([]chan []finding, len(checks))
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i, c := range checks {
		results[i] = make(chan []finding, 1)
		go func() {
			defer func() {
				if cause := recover(); cause != nil {
					results[i] <- []finding{broken(c.what, "this is a mistake of velador: please report it", "the check itself failed: %v", cause)}
				}
			}()
			results[i] <- c.look(bounded)
		}()
	}
	// A check may hang in the kernel, such as on a disk of a network that is gone: it is not waited for,
	// and ends with the program.
	late := time.NewTimer(patience + patience/5)
	defer late.Stop()
	overdue := false
	d := diagnosis{OK: true}
	for i, c := range checks {
		result := results[i]
		var found []finding
		if overdue {
			select {
			case found = <-result:
			default:
			}
		} else {
			select {
			case found = <-result:
			case <-late.C:
				overdue = true
			case <-ctx.Done():
				return d, ctx.Err()
			}
		}
		if found == nil {
			found = []finding{broken(c.what, "look whether a disk or the network hangs", "no answer within %s", patience)}
		}
		d.Checks = append(d.Checks, found...)
	}
	if ctx.Err() != nil {
		return d, ctx.Err()
	}
	for i := range d.Checks {
		d.Checks[i].Says, d.Checks[i].Do = oneLine(d.Checks[i].Says), oneLine(d.Checks[i].Do)
		d.OK = d.OK && d.Checks[i].State != isBroken
	}
	return d, nil
}

// stateColours are the SGR codes of the states.
var stateColours = map[string]string{isWell: "32", isPoor: "33", isBroken: "1;31"}

// minDoctor is the least room that a column of sentences has, in cells.
const minDoctor = 16

// printDiagnosis prints a table, at most width cells wide where width is not 0, and a verdict.
func printDiagnosis(w io.Writer, d diagnosis, width int, colours bool) error {
	t := table.NewWriter()
	t.SetStyle(plainTable)
	t.AppendHeader(table.Row{"STATE", "WHAT", "SAYS", "WHAT TO DO"})
	count := make(map[string]int)
	widths := []int{len("STATE"), len("WHAT"), 0, len("WHAT TO DO")}
	for _, f := range d.Checks {
		count[f.State]++
		state := f.State
		if colours {
			state = "\x1b[" + stateColours[f.State] + "m" + state + "\x1b[0m"
		}
		t.AppendRow(table.Row{state, f.What, f.Says, f.Do})
		for i, cell := range []string{f.State, f.What, f.Says, f.Do} {
			widths[i] = max(widths[i], text.StringWidth(cell))
		}
	}
	if room := width - widths[0] - widths[1] - 3*columnGap; width > 0 && widths[2]+widths[3] > room {
		says := min(widths[2], max(room-widths[3], room*3/5))
		t.SetColumnConfigs([]table.ColumnConfig{
			{Number: 3, WidthMax: max(minDoctor, says), WidthMaxEnforcer: text.WrapSoft},
			{Number: 4, WidthMax: max(minDoctor, room-says), WidthMaxEnforcer: text.WrapSoft},
		})
	}
	var lines strings.Builder
	for line := range strings.Lines(t.Render()) {
		lines.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	verdict := "Everything is well."
	if n, m := count[isBroken], count[isPoor]; n+m > 0 {
		verdict = fmt.Sprintf("%d failed, %d to keep an eye on, %d well.", n, m, count[isWell])
	}
	_, err := io.WriteString(w, lines.String()+"\n"+verdict+"\n")
	return err
}
