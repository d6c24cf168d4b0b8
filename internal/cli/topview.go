package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"velador/api"
	"velador/internal/collector"
)

// Lines that are not rows of collectors: title, totals, heading; detail, foot.
const topHead, topFoot = 3, 2

// Least sizes that top paints anything in.
const minTopWidth, minTopHeight = 40, 8

const (
	topKeys = "↑↓ choose  s stop  r restart  l logs  / filter  ? help  q quit"
	sparkID = "CLOSES"
	// Before a row.
	notChosen, isTheChosen = "  ", "> "
)

var topHelp = []string{
	"Keys",
	"",
	"  ↑ ↓  j k          choose a collector",
	"  PgUp PgDn  g G    a page, the first, the last",
	"  l  Enter          follow its log, or close the log",
	"  s                 stop it, after a question",
	"  r                 restart it, after a question",
	"  /                 show only what contains a text; Esc shows all again",
	"  Ctrl-L            paint anew",
	"  q  Ctrl-C         quit; collectors go on",
	"",
	"CLOSES is a line of the last closes of the collector's series; of a list, of its",
	"first. LAST CANDLE is the age of the newest closed candle by the exchange's clock.",
	"",
	"Any key goes back.",
}

// rowsRoom is how many collectors fit on the screen.
func (m *topModel) rowsRoom() int { return max(1, m.height-topHead-topFoot-m.logRoom()) }

// logRoom is how many lines the pane of a log takes, its heading included.
func (m *topModel) logRoom() int {
	if m.log == nil {
		return 0
	}
	return max(0, (m.height-topHead-topFoot)/2)
}

// view paints the screen: as many lines as it is high, none wider than it.
func (m *topModel) view() []string {
	if m.width < minTopWidth || m.height < minTopHeight {
		return m.fill([]string{fmt.Sprintf("%d x %d is too small", m.width, m.height)})
	}
	title := "velador top  " + oneLine(m.server)
	clock := m.now.UTC().Format("15:04:05") + " UTC"
	lines := []string{m.style("1", pad(title, m.width-len(clock)-1)) + " " + clock, pad(m.totals(), m.width)}
	if m.help {
		return m.fill(append(lines, topHelp...))
	}
	lines = append(lines, m.table()...)
	for len(lines) < m.height-topFoot-m.logRoom() {
		lines = append(lines, "")
	}
	if m.log != nil {
		lines = append(lines, m.logLines()...)
	}
	return m.fill(append(lines, m.detail(), m.foot()))
}

// fill makes lines as many as the screen is high, and cuts what is too wide or too many.
func (m *topModel) fill(lines []string) []string {
	for i, line := range lines {
		if text.StringWidthWithoutEscSequences(line) > m.width {
			lines[i] = text.Trim(line, m.width)
		}
	}
	for len(lines) < m.height {
		lines = append(lines, "")
	}
	return lines[:m.height]
}

// style paints a text where colours are wanted.
func (m *topModel) style(code, s string) string {
	if !m.colours || s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// pad makes a text exactly so many cells wide.
func pad(s string, cells int) string {
	s = shorten(s, max(1, cells))
	return s + strings.Repeat(" ", max(0, cells-text.StringWidth(s)))
}

// totals are the figures of all collectors in one line, or why they are old.
func (m *topModel) totals() string {
	switch {
	case m.trouble != "" && !m.loaded:
		return "trying again: " + m.trouble
	case m.trouble != "":
		return "what is shown is old, trying again: " + m.trouble
	case !m.loaded:
		return "asking the server…"
	}
	var (
		phases  = make(map[collector.Phase]int)
		rate    float64
		cpu     float64
		bytes   int64
		gaps    int
		summary = fmt.Sprintf("%d collectors", len(m.list))
	)
	for _, c := range m.list {
		phases[collector.Phase(c.Phase)]++
		if hasProcess(c) {
			rate, cpu, bytes, gaps = rate+c.MessagesPerSecond, cpu+c.CPU, bytes+c.Memory.RSS, gaps+c.OpenGaps
		}
	}
	for _, phase := range collector.Phases() {
		if n := phases[phase]; n > 0 {
			summary += fmt.Sprintf("  %d %s", n, phase)
		}
	}
	return summary + fmt.Sprintf("   %.1f msg/s  %d gaps  cpu %.1f%%  memory %s", rate, gaps, cpu, memory(bytes))
}

// table is a heading and the rows that fit.
func (m *topModel) table() []string {
	rows := m.visible()
	if len(m.list) == 0 && m.loaded {
		return []string{"", "Nothing is being collected. Start something: velador start ETHUSDT 1m"}
	}
	columns, cells := m.cells(rows)
	widths := make([]int, len(columns))
	for i := range columns {
		widths[i] = widest(cells[i])
	}
	chosen, _ := m.chosen()
	lines := make([]string, 0, len(rows)+1)
	for at := range len(rows) + 1 {
		isChosen := at > 0 && rows[at-1].ID == chosen.ID
		line := notChosen
		if isChosen {
			line = isTheChosen
		}
		for i, column := range columns {
			space := strings.Repeat(" ", widths[i]-text.StringWidth(cells[i][at]))
			cell := cells[i][at] + space
			if column.right {
				cell = space + cells[i][at]
			}
			if at > 0 && !isChosen && (column.name == "PHASE" || column.name == sparkID) {
				cell = m.style(phaseColour(rows[at-1]), cell)
			}
			line += cell
			if i < len(columns)-1 {
				line += strings.Repeat(" ", columnGap)
			}
		}
		switch {
		case at == 0:
			line = m.style("1", strings.TrimRight(line, " "))
		case isChosen:
			line = m.style("7", pad(line, m.width))
		}
		lines = append(lines, line)
	}
	if len(rows) == 0 && m.filter != "" {
		lines = append(lines, "  nothing contains "+strconv.Quote(m.filter))
	}
	return lines
}

// cells are the columns that there is room for, and what stands in each, the heading first.
func (m *topModel) cells(rows []api.CollectorStatus) (columns []column, cells [][]string) {
	all := append(statusColumns(), statusColumn{column{name: sparkID, gives: 2}, func(c api.CollectorStatus) string {
		if of := m.closes[c.ID]; of != nil {
			return sparkline(of.values, m.sparkWidth())
		}
		return ""
	}})
	var whole [][]string
	for _, one := range all {
		of := []string{one.name}
		switch one.name {
		case sparkID: // as wide as it will be, so that nothing jumps when closes come
			of[0] = pad(sparkID, m.sparkWidth())
		case "PID":
			one.gives = 1 // keys act on a row: where there is no room at all, its number is not needed
		}
		for _, row := range rows {
			of = append(of, oneLine(one.cell(row)))
		}
		columns, whole = append(columns, one.column), append(whole, of)
	}
	kept, room := fit(columns, whole, m.width-len(notChosen))
	for at, i := range kept {
		columns[at] = columns[i]
		cells = append(cells, whole[i])
		if columns[at].least > 0 && room > 0 {
			for row := range cells[at] {
				cells[at][row] = shorten(cells[at][row], room)
			}
		}
	}
	return columns[:len(kept)], cells
}

// sparkWidth is how many closes a line shows.
func (m *topModel) sparkWidth() int {
	switch {
	case m.width < 100:
		return 12
	case m.width < 160:
		return 24
	}
	return sparkCandles
}

// logLines are the heading of the log and its newest lines.
func (m *topModel) logLines() []string {
	room := m.logRoom()
	if room == 0 {
		return nil
	}
	heading := fmt.Sprintf("── log of id %d ", m.log.id)
	if at := slices.IndexFunc(m.list, func(c api.CollectorStatus) bool { return c.ID == m.log.id }); at >= 0 {
		heading += shorten(oneLine(m.list[at].Symbol), maxSymbol) + " " + m.list[at].Timeframe + " "
	}
	if m.log.over != "" {
		heading += "(" + m.log.over + ") "
	}
	heading = shorten(heading, m.width)
	lines := []string{m.style("2", heading+strings.Repeat("─", max(0, m.width-text.StringWidth(heading))))}
	newest := m.log.lines[max(0, len(m.log.lines)-(room-1)):]
	for _, line := range newest {
		lines = append(lines, shorten(line, m.width))
	}
	for len(lines) < room {
		lines = append(lines, "")
	}
	return lines
}

// detail says of the chosen collector why it waits.
func (m *topModel) detail() string {
	c, ok := m.chosen()
	if !ok {
		return ""
	}
	if notes := waiting([]api.CollectorStatus{c}, m.now); len(notes) > 0 {
		return m.style("33", pad(oneLine(notes[0]), m.width))
	}
	return ""
}

// foot is a question, the filter, a notice, or the keys.
func (m *topModel) foot() string {
	line, code := topKeys, "2"
	switch {
	case m.asking != nil:
		line, code = m.asking.text, "1;33"
	case m.filtering:
		line, code = "show only: "+m.filter+"_", "1"
	case m.notice != "":
		line, code = m.notice, "1"
	case m.filter != "":
		line = "/" + m.filter + "  " + topKeys
	}
	return m.style(code, shorten(line, m.width))
}
