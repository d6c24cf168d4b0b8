package supervise

import (
	"slices"

	"velador/internal/candle"
	"velador/internal/collector"
)

// unassigned lists the rows that are wanted and have no order on the bus, nor a start under way: the
// bus may have lost its files, or the server died between the row and the order.
func unassigned(rows []collector.Record, outstanding []string, starting func(id int64) bool) []collector.Record {
	var missing []collector.Record
	for _, row := range rows {
		if row.Wanted && !slices.Contains(outstanding, assignmentID(row.ID)) && !starting(row.ID) {
			missing = append(missing, row)
		}
	}
	return missing
}

// inTheWay finds a wanted collector of the same exchange and timeframe that follows one of the
// symbols already. Rows with a selector that cannot be read stand in nobody's way.
func inTheWay(rows []collector.Record, spec collector.Spec, symbols []string) (collector.Record, bool) {
	return rivalOf(rows, collector.Record{Spec: spec}, symbols)
}

// rivalOf finds what is in the way of a record, among others than itself.
func rivalOf(rows []collector.Record, row collector.Record, symbols []string) (collector.Record, bool) {
	for i := range rows {
		other := &rows[i]
		if !other.Wanted || other.ID == row.ID || other.Spec.Exchange != row.Spec.Exchange || other.Spec.Timeframe != row.Spec.Timeframe {
			continue
		}
		selector, err := candle.ParseSelector(other.Spec.Selector)
		if err == nil && slices.ContainsFunc(symbols, selector.Match) {
			return *other, true
		}
	}
	return collector.Record{}, false
}
