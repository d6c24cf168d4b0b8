package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"velador/api"
	"velador/client"
	"velador/internal/collector"
)

const (
	// sparkCandles is how many closes a sparkline is drawn from.
	sparkCandles = 40
	// sparkEvery is how often the closes of one series are asked for at most.
	sparkEvery = 10 * time.Second
	// sparksAtOnce is how many of them are asked for at the same time.
	sparksAtOnce = 4
	// maxLogLines is how many lines of a log are kept; maxLogLine is how long one may be, in bytes.
	maxLogLines, maxLogLine = 500, 2000
	// noticeFor is how long a notice stands.
	noticeFor = 8 * time.Second
)

// topModel is what top knows and shows. It is pure: update takes a message and says what to do, and
// view paints it; both touch nothing else.
type topModel struct {
	server        string
	width, height int
	colours       bool
	now           time.Time

	list    []api.CollectorStatus // by id
	loaded  bool                  // the list has come once
	trouble string                // why the newest attempt to read it failed
	closes  map[int64]*closes     // by the collector's id

	selected  int64 // id
	top       int   // of the rows that are shown, the first
	filter    string
	filtering bool
	help      bool
	asking    *question
	log       *logPane
	notice    string
	noticed   time.Time
}

// closes are the newest closes of a collector's series.
type closes struct {
	values []float64
	of     int64 // open time of the newest candle when they were asked for
	asked  time.Time
	asking bool
}

// question waits for a yes.
type question struct {
	text string
	then effect
}

// logPane shows what a collector says.
type logPane struct {
	id    int64
	lines []string
	over  string // why no more comes
}

// Messages. A key is one too.
type (
	sizeMsg   struct{ width, height int }
	tickMsg   time.Time
	statusMsg struct {
		list []api.CollectorStatus
		err  error
	}
	closesMsg struct {
		id     int64
		values []float64
		err    error
	}
	doneMsg struct { // a stop or a restart has ended
		says string
		err  error
	}
	logMsg struct {
		id   int64
		line string
	}
	logOverMsg struct {
		id  int64
		err error
	}
)

// Effects are what update wants to be done.
type (
	effect       any
	quitEffect   struct{}
	stopEffect   struct{ id int64 }
	againEffect  struct{ id int64 } // a restart
	followEffect struct{ id int64 } // the log; of one at a time
	leaveEffect  struct{}           // follow no more
	closesEffect struct {
		id     int64
		series client.Series
	}
)

// update takes a message.
func (m *topModel) update(msg any) []effect {
	switch msg := msg.(type) {
	case key:
		return m.press(msg)
	case sizeMsg:
		m.width, m.height = msg.width, msg.height
	case tickMsg:
		m.now = time.Time(msg)
		if m.notice != "" && m.now.Sub(m.noticed) >= noticeFor {
			m.notice = ""
		}
		return m.wanted()
	case statusMsg:
		if msg.err != nil {
			m.trouble = oneLine(msg.err.Error())
			return nil
		}
		m.trouble, m.loaded, m.list = "", true, msg.list
		slices.SortStableFunc(m.list, func(a, b api.CollectorStatus) int { return cmp.Compare(a.ID, b.ID) })
		for id := range m.closes {
			if !slices.ContainsFunc(m.list, func(c api.CollectorStatus) bool { return c.ID == id }) {
				delete(m.closes, id)
			}
		}
		return m.wanted()
	case closesMsg:
		if c := m.closes[msg.id]; c != nil {
			c.asking = false
			if msg.err == nil {
				c.values = msg.values
			}
		}
		return m.wanted()
	case doneMsg:
		if msg.err != nil {
			m.tell(oneLine(msg.err.Error()))
		} else {
			m.tell(oneLine(msg.says))
		}
	case logMsg:
		if m.log != nil && m.log.id == msg.id {
			m.log.lines = append(m.log.lines, oneLine(strings.ToValidUTF8(msg.line[:min(len(msg.line), maxLogLine)], "")))
			if extra := len(m.log.lines) - maxLogLines; extra > 0 {
				m.log.lines = slices.Delete(m.log.lines, 0, extra)
			}
		}
	case logOverMsg:
		if m.log != nil && m.log.id == msg.id {
			m.log.over = "it says no more"
			if msg.err != nil {
				m.log.over = oneLine(msg.err.Error())
			}
		}
	}
	return nil
}

// tell shows a notice for a while.
func (m *topModel) tell(text string) { m.notice, m.noticed = text, m.now }

// press takes a key.
func (m *topModel) press(k key) []effect {
	if k == keyInterrupt {
		return []effect{quitEffect{}}
	}
	switch {
	case m.asking != nil:
		asked := m.asking
		switch k {
		case "y", "Y": // not s for sí: that key asks, and may be held down
			m.asking = nil
			m.tell("…")
			return []effect{asked.then}
		case "n", "N", "q", keyEscape, keyEnter:
			m.asking = nil
		}
		return nil
	case m.filtering:
		m.typeFilter(k)
		return m.wanted()
	case m.help:
		m.help = false
		return nil
	}
	if at, ok := m.moved(k); ok {
		rows := m.shown()
		if len(rows) > 0 {
			m.selected = rows[min(max(at, 0), len(rows)-1)].ID
		}
		return append(m.refollow(), m.wanted()...)
	}
	switch k {
	case "q":
		return []effect{quitEffect{}}
	case "?", "h":
		m.help = true
	case "/":
		m.filtering = true
	case "l", keyEnter:
		return m.toggleLog()
	case "s":
		m.ask("Stop", func(id int64) effect { return stopEffect{id} })
	case "r":
		m.ask("Restart", func(id int64) effect { return againEffect{id} })
	case keyEscape:
		switch {
		case m.log != nil:
			return m.toggleLog()
		case m.filter != "":
			m.filter = ""
		}
	}
	return m.wanted()
}

// moved tells to which row a key leads.
func (m *topModel) moved(k key) (at int, ok bool) {
	at, page := m.at(), max(1, m.rowsRoom()-1)
	switch k {
	case keyUp, "k":
		return at - 1, true
	case keyDown, "j":
		return at + 1, true
	case keyPageUp:
		return at - page, true
	case keyPageDown:
		return at + page, true
	case keyHome, "g":
		return 0, true
	case keyEnd, "G":
		return len(m.list), true
	}
	return 0, false
}

// typeFilter takes a key while the filter is typed.
func (m *topModel) typeFilter(k key) {
	switch k {
	case keyEnter:
		m.filtering = false
	case keyEscape:
		m.filtering, m.filter = false, ""
	case keyBackspace:
		if letters := []rune(m.filter); len(letters) > 0 {
			m.filter = string(letters[:len(letters)-1])
		}
	default:
		if len([]rune(string(k))) == 1 && len(m.filter) < maxSymbol {
			m.filter += string(k)
		}
	}
}

// ask puts a question about the collector that is chosen.
func (m *topModel) ask(verb string, then func(id int64) effect) {
	c, ok := m.chosen()
	if !ok {
		return
	}
	who := "id " + strconv.FormatInt(c.ID, 10)
	if hasProcess(c) {
		who = "PID " + strconv.Itoa(c.PID)
	}
	m.asking = &question{verb + " " + shorten(oneLine(c.Symbol), maxSymbol) + " " + c.Timeframe + " (" + who + ")? y/n", then(c.ID)}
}

// toggleLog opens the pane with the log of the chosen collector, or closes it.
func (m *topModel) toggleLog() []effect {
	if m.log != nil {
		m.log = nil
		return []effect{leaveEffect{}}
	}
	c, ok := m.chosen()
	if !ok {
		return nil
	}
	m.log = &logPane{id: c.ID}
	return []effect{followEffect{c.ID}}
}

// refollow has an open pane follow the collector that is chosen now.
func (m *topModel) refollow() []effect {
	c, ok := m.chosen()
	if !ok || m.log == nil || m.log.id == c.ID {
		return nil
	}
	m.log = &logPane{id: c.ID}
	return []effect{followEffect{c.ID}}
}

// shown are the collectors that the filter lets through.
func (m *topModel) shown() []api.CollectorStatus {
	if m.filter == "" {
		return m.list
	}
	var rows []api.CollectorStatus
	wanted := strings.ToLower(m.filter)
	for _, c := range m.list {
		text := strings.ToLower(strings.Join([]string{strconv.FormatInt(c.ID, 10), strconv.Itoa(c.PID), c.Exchange, c.Symbol, c.Timeframe, c.Phase, c.Status}, " "))
		if strings.Contains(text, wanted) {
			rows = append(rows, c)
		}
	}
	return rows
}

// at is the row of the chosen collector; where that is gone, of the one that stood behind it.
func (m *topModel) at() int {
	rows := m.shown()
	if i := slices.IndexFunc(rows, func(c api.CollectorStatus) bool { return c.ID >= m.selected }); i >= 0 {
		return i
	}
	return max(0, len(rows)-1)
}

// chosen is the collector that keys act on.
func (m *topModel) chosen() (c api.CollectorStatus, ok bool) {
	rows := m.shown()
	if len(rows) == 0 {
		return c, false
	}
	return rows[m.at()], true
}

// visible are the rows on the screen: the chosen one is among them.
func (m *topModel) visible() []api.CollectorStatus {
	rows, room := m.shown(), m.rowsRoom()
	at := m.at()
	m.top = min(max(m.top, at-room+1), at, max(0, len(rows)-room))
	return rows[m.top:min(len(rows), m.top+room)]
}

// wanted asks for closes of what is on the screen, where there may be newer ones.
func (m *topModel) wanted() (effects []effect) {
	asking := 0
	for _, c := range m.closes {
		if c.asking {
			asking++
		}
	}
	for _, row := range m.visible() {
		series, ok := seriesOf(row)
		if !ok {
			continue
		}
		c := m.closes[row.ID]
		if c == nil {
			c = new(closes)
			m.closes[row.ID] = c
		}
		switch {
		case asking >= sparksAtOnce:
			return effects
		case c.asking || m.now.Sub(c.asked) < sparkEvery && !c.asked.IsZero() || c.of == row.LastCandle.OpenTime && len(c.values) > 0:
			continue
		}
		c.asking, c.asked, c.of = true, m.now, row.LastCandle.OpenTime
		asking++
		effects = append(effects, closesEffect{row.ID, series})
	}
	return effects
}

// seriesOf is the series whose closes stand for a collector: of a list the first; of a glob none.
func seriesOf(c api.CollectorStatus) (client.Series, bool) {
	symbol, _, _ := strings.Cut(c.Symbol, ",")
	if symbol == "" || strings.ContainsAny(symbol, "*?") {
		return client.Series{}, false
	}
	return client.Series{Symbol: symbol, Timeframe: c.Timeframe, Exchange: c.Exchange}, true
}

// phaseColour is the SGR code of a condition.
func phaseColour(c api.CollectorStatus) string {
	switch collector.Phase(c.Phase) {
	case collector.PhaseLive:
		return "32"
	case collector.PhaseStale, collector.PhaseBackoff:
		return "31"
	case collector.PhaseStopped, collector.PhaseStopping:
		return "90"
	}
	return "33"
}
