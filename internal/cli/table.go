package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

const columnGap = 2 // cells between two columns

// plainTable has no lines: what scripts cut and people read alike.
var plainTable = func() table.Style {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", columnGap)
	style.Format.Header = text.FormatDefault
	return style
}()

// column is one column of a table that fits the terminal.
type column struct {
	name string
	// gives says in which order columns are left out where the terminal is too narrow: the highest
	// first; 0 never.
	gives int
	right bool // its figures stand at the right
	least int  // cells that it keeps where it has to give some away; 0: it gives none away
	wraps bool // what it gives away goes on in the next line, instead of being cut
}

// fit gives the places of the columns that a table of at most width cells has, and how wide the one that
// gives cells away may be; 0 for as wide as it is. cells has each column's, the heading first.
func fit(columns []column, cells [][]string, width int) (kept []int, room int) {
	for i := range columns {
		kept = append(kept, i)
	}
	for width > 0 {
		total, most := -columnGap, 0
		for at, i := range kept {
			total += widest(cells[i]) + columnGap
			if columns[i].gives > columns[kept[most]].gives {
				most = at
			}
		}
		if total <= width {
			break
		}
		elastic := slices.IndexFunc(kept, func(i int) bool { return columns[i].least > 0 })
		needs := total - width // cells too many
		if elastic >= 0 && columns[kept[elastic]].wraps && widest(cells[kept[elastic]])-needs >= columns[kept[elastic]].least {
			return kept, widest(cells[kept[elastic]]) - needs
		}
		if columns[kept[most]].gives > 0 {
			kept = slices.Delete(kept, most, most+1)
			continue
		}
		if elastic >= 0 {
			return kept, max(columns[kept[elastic]].least, widest(cells[kept[elastic]])-needs)
		}
		break
	}
	return kept, 0
}

// printTable prints a table, at most width cells wide where width is not 0. cells has each column's.
func printTable(w io.Writer, columns []column, cells [][]string, width int) error {
	for i, c := range columns {
		cells[i] = slices.Insert(cells[i], 0, c.name)
	}
	kept, room := fit(columns, cells, width)
	t := table.NewWriter()
	t.SetStyle(plainTable)
	var configs []table.ColumnConfig
	for at, i := range kept {
		config := table.ColumnConfig{Number: at + 1}
		if columns[i].right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		if room > 0 && columns[i].least > 0 {
			config.WidthMax, config.WidthMaxEnforcer = room, shorten
			if columns[i].wraps {
				config.WidthMaxEnforcer = text.WrapSoft
			}
		}
		configs = append(configs, config)
	}
	t.SetColumnConfigs(configs)
	for row := range cells[0] {
		line := make(table.Row, 0, len(kept))
		for _, i := range kept {
			line = append(line, cells[i][row])
		}
		if row == 0 {
			t.AppendHeader(line)
		} else {
			t.AppendRow(line)
		}
	}
	return printLines(w, t.Render())
}

// printLines prints lines without the blanks at their ends.
func printLines(w io.Writer, lines string) error {
	var trimmed strings.Builder
	for line := range strings.Lines(lines) {
		trimmed.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	_, err := io.WriteString(w, trimmed.String())
	return err
}

// shorten cuts a text to so many cells, and shows that it did.
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
