package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"

	"velador/api"
	"velador/internal/collector"
)

const (
	maxSymbol = 40 // cells that a selector may take; some are lists of hundreds
	minSymbol = 8  // cells that it keeps in a narrow terminal
)

// statusColumn is one column of the table of collectors.
type statusColumn struct {
	column
	cell func(api.CollectorStatus) string
}

// none stands where nothing is known.
const none = "-"

// statusColumns are the columns, from the left to the right. The least two places to give are top's own.
func statusColumns() []statusColumn {
	// What only a process can tell.
	ofProcess := func(cell func(api.CollectorStatus) string) func(api.CollectorStatus) string {
		return func(c api.CollectorStatus) string {
			if !hasProcess(c) {
				return none
			}
			return cell(c)
		}
	}
	return []statusColumn{
		{column{name: "ID"}, func(c api.CollectorStatus) string { return strconv.FormatInt(c.ID, 10) }},
		{column{name: "PID"}, ofProcess(func(c api.CollectorStatus) string { return strconv.Itoa(c.PID) })},
		{column{name: "EXCHANGE", gives: 9}, func(c api.CollectorStatus) string { return c.Exchange }},
		{column{name: "SYMBOL", least: minSymbol}, func(c api.CollectorStatus) string { return text.Trim(c.Symbol, maxSymbol) }},
		{column{name: "TIMEFRAME"}, func(c api.CollectorStatus) string { return c.Timeframe }},
		{column{name: "STATUS", gives: 7}, func(c api.CollectorStatus) string { return c.Status }},
		{column{name: "PHASE"}, func(c api.CollectorStatus) string { return c.Phase }},
		{column{name: "UPTIME", gives: 5, right: true}, ofProcess(func(c api.CollectorStatus) string { return uptime(c.Uptime) })},
		{column{name: "LAST CANDLE", gives: 3, right: true}, ofProcess(func(c api.CollectorStatus) string {
			if c.LastCandle == (api.LastCandle{}) {
				return none
			}
			return uptime(c.LastCandle.AgeSeconds) + " ago"
		})},
		{column{name: "GAPS", gives: 4, right: true}, ofProcess(func(c api.CollectorStatus) string { return strconv.Itoa(c.OpenGaps) })},
		{column{name: "RATE", gives: 10, right: true}, ofProcess(func(c api.CollectorStatus) string { return fmt.Sprintf("%.1f/s", c.MessagesPerSecond) })},
		{column{name: "CPU", gives: 11, right: true}, ofProcess(func(c api.CollectorStatus) string { return fmt.Sprintf("%.1f%%", c.CPU) })},
		{column{name: "MEMORY", gives: 8, right: true}, ofProcess(func(c api.CollectorStatus) string { return memory(c.Memory.RSS) })},
		{column{name: "RESTARTS", gives: 6, right: true}, func(c api.CollectorStatus) string { return strconv.Itoa(c.Restarts) }},
	}
}

// hasProcess tells whether the figures of a process mean anything.
func hasProcess(c api.CollectorStatus) bool {
	return c.PID > 0 && c.Phase != string(collector.PhaseBackoff) && c.Phase != string(collector.PhaseStopped)
}

// printStatus prints a table, at most width cells wide where width is not 0, and below it, of each
// collector that waits, why and for how long.
func printStatus(w io.Writer, list []api.CollectorStatus, width int, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "Nothing is being collected. Start something: velador start ETHUSDT 1m")
		return err
	}
	var columns []column
	var cells [][]string
	for _, column := range statusColumns() {
		var of []string
		for _, c := range list {
			of = append(of, column.cell(c))
		}
		columns, cells = append(columns, column.column), append(cells, of)
	}
	if err := printTable(w, columns, cells, width); err != nil {
		return err
	}
	if notes := waiting(list, now); len(notes) > 0 {
		_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(notes, "\n"))
		return err
	}
	return nil
}

// waiting says of each collector without a process why, and when it is tried again.
func waiting(list []api.CollectorStatus, now time.Time) (notes []string) {
	for _, c := range list {
		if hasProcess(c) || c.Phase == string(collector.PhaseStarting) {
			continue
		}
		note := fmt.Sprintf("%d  %s %s: ", c.ID, text.Trim(c.Symbol, maxSymbol), c.Timeframe)
		switch left := c.NextAttempt.Sub(now); {
		case c.NextAttempt.IsZero() && c.Phase == string(collector.PhaseStopped):
			note += "stopped"
		case c.NextAttempt.IsZero():
			note += "waits"
		case left <= 0:
			note += "is tried again now"
		default:
			note += "is tried again in " + uptime(int64((left+time.Second-1)/time.Second))
		}
		if c.LastExit.Text != "" {
			note += "; its process " + c.LastExit.Text
		}
		if reason := reasonOf(c); reason != "" {
			note += ": " + reason
		}
		notes = append(notes, note)
	}
	return notes
}

// reasonOf is why a collector has no process, on one line.
func reasonOf(c api.CollectorStatus) string {
	if c.LastExit.Reason != "" {
		return oneLine(c.LastExit.Reason)
	}
	return oneLine(c.LastError)
}

// oneLine makes a text that came from elsewhere fit for a line of a terminal: no line ends, no control
// characters.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) }), " ")
}

// memory writes bytes as people say them: 18MiB.
func memory(bytes int64) string {
	switch {
	case bytes <= 0:
		return none
	case bytes >= 10<<30:
		return fmt.Sprintf("%dGiB", bytes>>30)
	}
	return fmt.Sprintf("%dMiB", (bytes+1<<19)>>20)
}

// terminalWidth gives the width of the terminal that a stream is, in cells; 0 when it is none.
func terminalWidth(stream any) int {
	file, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
