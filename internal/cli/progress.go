package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// plainEvery is how often long work says how far it is where nobody watches a bar.
const plainEvery = 5 * time.Second

// gauge shows how far long work is, with its rate and the time that is left: a bar in a terminal, else a
// plain line now and then. It writes to the standard error stream, so that what a command prints can
// be piped. Its methods are called by one goroutine.
type gauge struct {
	out   io.Writer
	what  string // is done: "verifying ETHUSDT 1m"
	unit  string // of what is counted: "candles"
	begun time.Time
	told  time.Time // plain: the newest line
	total int64

	bar     progress.Writer // nil: plain
	tracker *progress.Tracker
	ended   chan struct{} // the bar is drawn no more
}

// newGauge begins one.
func (p *program) newGauge(what, unit string, total int64) *gauge {
	now := time.Now()
	g := &gauge{out: p.stderr, what: what, unit: unit, begun: now, told: now, total: total}
	if kind, _ := p.env.lookup("TERM"); !isTerminal(p.stderr) || kind == "dumb" {
		return g
	}
	g.bar = progress.NewWriter()
	g.bar.SetOutputWriter(p.stderr)
	g.bar.SetUpdateFrequency(100 * time.Millisecond)
	g.bar.SetTrackerLength(30)
	g.bar.SetAutoStop(true) // a Stop that comes before the first picture is not heard
	style := progress.StyleBlocks
	if p.colours(p.stderr) {
		style.Colors = progress.StyleColorsExample
	}
	style.Visibility.ETA, style.Visibility.Speed, style.Visibility.TrackerOverall = true, true, false
	g.bar.SetStyle(style)
	g.tracker = &progress.Tracker{Message: what, Total: total, Units: progress.Units{Notation: " " + unit, NotationPosition: progress.UnitsNotationPositionAfter}}
	g.bar.AppendTracker(g.tracker)
	g.ended = make(chan struct{})
	go func() {
		defer close(g.ended)
		g.bar.Render()
	}()
	return g
}

// set says how many are done, and what else a person should know, "" for nothing.
func (g *gauge) set(done int64, note string) {
	if g.bar != nil {
		message := g.what
		if note != "" {
			message += " (" + note + ")"
		}
		g.tracker.UpdateMessage(message)
		g.tracker.SetValue(done)
		return
	}
	if now := time.Now(); now.Sub(g.told) >= plainEvery {
		g.told = now
		_, _ = fmt.Fprintln(g.out, g.line(done, note, now.Sub(g.begun)))
	}
}

// say prints a line beside a bar. In a terminal the bar makes room for it: printed by itself, it would be
// painted over.
func (g *gauge) say(out io.Writer, line string) {
	if g.bar != nil && isTerminal(out) {
		g.bar.Log(line)
		return
	}
	_, _ = fmt.Fprintln(out, line)
}

// line is how far it is, in words.
func (g *gauge) line(done int64, note string, took time.Duration) string {
	text := fmt.Sprintf("%s: %d of %d %s", g.what, done, g.total, g.unit)
	if rate := float64(done) / took.Seconds(); done > 0 && rate > 0 {
		left := time.Duration(float64(max(0, g.total-done)) / rate * float64(time.Second))
		text += fmt.Sprintf(", %.0f/s, %s left", rate, left.Round(time.Second))
	}
	if note != "" {
		text += ", " + note
	}
	return text
}

// end takes the bar away, or leaves it full.
func (g *gauge) end(whole bool) {
	if g.bar == nil {
		return
	}
	if whole {
		g.tracker.MarkAsDone()
	} else {
		g.tracker.MarkAsErrored()
	}
	g.bar.Stop()
	<-g.ended
}
