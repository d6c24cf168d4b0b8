package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"velador/api"
	"velador/internal/candle"
)

// dayMark is how a day is shown.
type dayMark struct {
	sign   byte   // says all that the colour says
	name   string // of the legend; "" keeps it out
	colour string // parameters of SGR (ECMA-48, 8.3.117)
}

var (
	markComplete = dayMark{'+', "complete", "32"}
	markPartial  = dayMark{'~', "part of a day", "36"}
	markRepaired = dayMark{'r', "repaired", "33"}
	markAbsent   = dayMark{'a', "absent at source", "35"}
	markOpen     = dayMark{'!', "open", "1;31"}
	markNothing  = dayMark{' ', "", "2"}
)

// markOf judges a day: what is worst about it counts. A first or last day of which only a part is
// expected, and that part is complete, is partial.
func markOf(d api.Day, perDay int64) dayMark {
	switch {
	case d.Expected == 0:
		return markNothing
	case d.Open > 0:
		return markOpen
	case d.Absent > 0:
		return markAbsent
	case d.Repaired > 0:
		return markRepaired
	case d.Expected < perDay:
		return markPartial
	}
	return markComplete
}

// Cells of a calendar: seven days of two digits and a sign, and the totals beside them.
const (
	weekWidth   = 7*4 - 1
	totalsApart = 4
)

// coverageCalendar writes a calendar of each month, eighty columns wide, with a legend below.
func coverageCalendar(c api.CoverageAnswer, colours bool) (string, error) {
	series := oneLine(fmt.Sprintf("%s %s on %s", c.Symbol, c.Timeframe, c.Exchange))
	if len(c.Days) == 0 {
		return fmt.Sprintf("Nothing of %s is stored, or known as missing, between these times.\n", series), nil
	}
	for _, d := range c.Days {
		if _, err := time.Parse(time.DateOnly, d.Date); err != nil {
			return "", fmt.Errorf("the server names a day that is none: is it a velador? %w", err)
		}
	}
	perDay := int64(1) // of timeframes above a day, for each day that is listed
	if tf, err := candle.ParseTimeframe(c.Timeframe); err == nil && tf.Anchored() {
		perDay = int64(24 * time.Hour / tf.Step())
	}
	paint := func(text string, m dayMark) string {
		if !colours {
			return text
		}
		return "\x1b[" + m.colour + "m" + text + "\x1b[0m"
	}
	var b strings.Builder
	first, last := c.Days[0].Date, c.Days[len(c.Days)-1].Date
	fmt.Fprintf(&b, "%s, %s to %s (UTC)\n", series, first, last)
	var all api.Day
	months := 0
	for rest := c.Days; len(rest) > 0; months++ {
		name := monthOf(rest[0])
		var sum api.Day
		marks := map[int]dayMark{}
		n := 0
		for ; n < len(rest) && monthOf(rest[n]) == name; n++ {
			add(&sum, rest[n])
			day, _ := strconv.Atoi(rest[n].Date[len("2006-01-"):])
			marks[day] = markOf(rest[n], perDay)
		}
		rest = rest[n:]
		add(&all, sum)
		writeMonth(&b, name, marks, sum, paint)
	}
	if months > 1 {
		b.WriteString("\n")
		left := []string{"Total", counted(int64(len(c.Days)), "day"), counted(int64(months), "month")}
		for i, line := range totals(all) {
			text := ""
			if i < len(left) {
				text = left[i]
			}
			fmt.Fprintf(&b, "%-*s%s\n", weekWidth+totalsApart, text, line)
		}
	}
	b.WriteString("\n")
	for i, m := range []dayMark{markComplete, markPartial, markRepaired, markAbsent, markOpen} {
		if i > 0 {
			b.WriteString("   ")
		}
		b.WriteString(paint(string(m.sign), m) + " " + m.name)
	}
	b.WriteString("\n")
	return b.String(), nil
}

// writeMonth writes one month, Monday first, with its totals beside it.
func writeMonth(b *strings.Builder, name string, marks map[int]dayMark, sum api.Day, paint func(string, dayMark) string) {
	first, _ := time.Parse("2006-01", name) // of a date that was read already
	fmt.Fprintf(b, "\n%s\n", first.Format("January 2006"))
	beside := totals(sum)
	line, width := "Mo  Tu  We  Th  Fr  Sa  Su", weekWidth-1
	end := func() {
		if len(beside) > 0 {
			line += strings.Repeat(" ", weekWidth+totalsApart-width) + beside[0]
			beside = beside[1:]
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		line, width = "", 0
	}
	end()
	column := (int(first.Weekday()) + 6) % 7
	line, width = strings.Repeat(" ", 4*column), 4*column
	for day, days := 1, first.AddDate(0, 1, -1).Day(); day <= days; day++ {
		mark, ok := marks[day]
		if !ok {
			mark = markNothing
		}
		line, width = line+paint(fmt.Sprintf("%2d%c", day, mark.sign), mark), width+3
		if column = (column + 1) % 7; column == 0 || day == days {
			end()
		} else {
			line, width = line+" ", width+1
		}
	}
	for len(beside) > 0 {
		end()
	}
}

// totals says in five lines what a stretch of days holds.
func totals(sum api.Day) []string {
	width := len(grouped(sum.Expected))
	lines := make([]string, 0, 5)
	for _, one := range []struct {
		name string
		n    int64
	}{{"expected", sum.Expected}, {"present", sum.Present}, {"repaired", sum.Repaired}, {"absent", sum.Absent}, {"open", sum.Open}} {
		lines = append(lines, fmt.Sprintf("%-8s  %*s", one.name, width, grouped(one.n)))
	}
	lines[1] += "   " + percent(sum.Present, sum.Expected)
	return lines
}

// percent never rounds up: 100.00 % means that nothing is missing.
func percent(part, whole int64) string {
	if whole == 0 {
		return none
	}
	n := part * 10_000 / whole
	return fmt.Sprintf("%d.%02d %%", n/100, n%100)
}

// monthOf gives the month of a day, such as 2026-11.
func monthOf(d api.Day) string { return d.Date[:len("2006-01")] }

func add(sum *api.Day, d api.Day) {
	sum.Expected += d.Expected
	sum.Present += d.Present
	sum.Repaired += d.Repaired
	sum.Absent += d.Absent
	sum.Open += d.Open
}

// counted writes a number of things: 1 day, 1,440 days.
func counted(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(n) + " " + thing
}

// grouped writes a number, which is not negative, in groups of three digits.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
