package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"

	"velador/api"
	"velador/internal/collector"
)

const (
	maxSymbol = 40 // cells that a selector may take; some are lists of hundreds
	minSymbol = 8  // cells that it keeps in a narrow terminal
	columnGap = 2  // cells between two columns
)

// statusColumn is one column of the table.
type statusColumn struct {
	name string
	// gives says in which order columns are left out where the terminal is too narrow: the highest
	// first; 0 never.
	gives int
	right bool // its figures stand at the right
	cell  func(api.CollectorStatus) string
}

// none stands where nothing is known.
const none = "-"

// statusColumns are the columns, from the left to the right.
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
		{"ID", 0, false, func(c api.CollectorStatus) string { return strconv.FormatInt(c.ID, 10) }},
		{"PID", 0, false, ofProcess(func(c api.CollectorStatus) string { return strconv.Itoa(c.PID) })},
		{"EXCHANGE", 7, false, func(c api.CollectorStatus) string { return c.Exchange }},
		{symbolColumn, 0, false, func(c api.CollectorStatus) string { return text.Trim(c.Symbol, maxSymbol) }},
		{"TIMEFRAME", 0, false, func(c api.CollectorStatus) string { return c.Timeframe }},
		{"STATUS", 5, false, func(c api.CollectorStatus) string { return c.Status }},
		{"PHASE", 0, false, func(c api.CollectorStatus) string { return c.Phase }},
		{"UPTIME", 3, true, ofProcess(func(c api.CollectorStatus) string { return uptime(c.Uptime) })},
		{"LAST CANDLE", 1, true, ofProcess(func(c api.CollectorStatus) string {
			if c.LastCandle == (api.LastCandle{}) {
				return none
			}
			return uptime(c.LastCandle.AgeSeconds) + " ago"
		})},
		{"GAPS", 2, true, ofProcess(func(c api.CollectorStatus) string { return strconv.Itoa(c.OpenGaps) })},
		{"RATE", 8, true, ofProcess(func(c api.CollectorStatus) string { return fmt.Sprintf("%.1f/s", c.MessagesPerSecond) })},
		{"CPU", 9, true, ofProcess(func(c api.CollectorStatus) string { return fmt.Sprintf("%.1f%%", c.CPU) })},
		{"MEMORY", 6, true, ofProcess(func(c api.CollectorStatus) string { return memory(c.Memory.RSS) })},
		{"RESTARTS", 4, true, func(c api.CollectorStatus) string { return strconv.Itoa(c.Restarts) }},
	}
}

const symbolColumn = "SYMBOL"

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
	columns := statusColumns()
	cells := make([][]string, len(columns)) // of each column, the heading first
	for i, column := range columns {
		cells[i] = append(cells[i], column.name)
		for _, c := range list {
			cells[i] = append(cells[i], column.cell(c))
		}
	}
	columns, cells = fit(columns, cells, width)

	t := table.NewWriter()
	t.SetStyle(plainTable)
	var configs []table.ColumnConfig
	for i, column := range columns {
		if column.right {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(configs)
	for row := range len(list) + 1 {
		line := make(table.Row, 0, len(columns))
		for i := range columns {
			line = append(line, cells[i][row])
		}
		if row == 0 {
			t.AppendHeader(line)
		} else {
			t.AppendRow(line)
		}
	}
	lines := []string{}
	for line := range strings.Lines(t.Render()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	if notes := waiting(list, now); len(notes) > 0 {
		lines = append(append(lines, ""), notes...)
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// fit leaves columns out, and shortens symbols, until the table is at most width cells wide.
func fit(columns []statusColumn, cells [][]string, width int) ([]statusColumn, [][]string) {
	if width <= 0 {
		return columns, cells
	}
	for {
		total := -columnGap
		for i := range columns {
			total += widest(cells[i]) + columnGap
		}
		least := 0
		for i, column := range columns {
			if column.gives > columns[least].gives {
				least = i
			}
		}
		switch {
		case total <= width:
			return columns, cells
		case columns[least].gives > 0:
			columns, cells = slices.Delete(columns, least, least+1), slices.Delete(cells, least, least+1)
			continue
		}
		at := slices.IndexFunc(columns, func(c statusColumn) bool { return c.name == symbolColumn })
		room := max(minSymbol, widest(cells[at])-(total-width))
		for i, cell := range cells[at] {
			cells[at][i] = shorten(cell, room)
		}
		return columns, cells
	}
}

// shorten cuts a text, and shows that it did.
func shorten(s string, cells int) string {
	if text.StringWidth(s) <= cells {
		return s
	}
	return text.Trim(s, cells-1) + "…"
}

func widest(cells []string) (width int) {
	for _, cell := range cells {
		width = max(width, text.StringWidth(cell))
	}
	return width
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
