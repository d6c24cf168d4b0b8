package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"velador/internal/candle"
	"velador/internal/store"
)

// audit is one statement of a trip that confirms something.
type audit struct {
	result int
	candle.Audit
}

// addAudits adds a statement for each audit: those of one series build on each other.
func (t *trip) addAudits(audits []candle.Audit) {
	for _, a := range audits {
		t.audits = append(t.audits, audit{t.queued, a})
		t.add(confirmSQL, seriesParams(a.Series, int64(a.Range.From), int64(a.Range.To), int64(a.Rows))...)
	}
}

// count counts what the audit did.
func (a audit) count(w *store.Written, rows [][][]byte) error {
	all, err := integers(rows, 3)
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return fmt.Errorf("the series %s of an audit has %d rows", a.Series, len(all))
	}
	w.Audited(a.Audit, all[0][0], all[0][1] != 0, all[0][2] != 0)
	return nil
}

// confirmed reads the answer of confirmed.sql.
func confirmed(rows [][][]byte) (*candle.Range, error) {
	all, err := integers(rows, 2)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &candle.Range{From: candle.Millis(all[0][0]), To: candle.Millis(all[0][1])}, nil
}

// confirmedTo gives where the confirmed part of a series ends that has candles; see candle.Resume.
func confirmedTo(rows, firstSeen [][][]byte) (candle.Millis, error) {
	r, err := confirmed(rows)
	if err != nil {
		return 0, err
	}
	if r != nil {
		return r.To, nil
	}
	first, err := integers(firstSeen, 1)
	if err != nil {
		return 0, err
	}
	return candle.Millis(first[0][0]) - 1, nil
}

// changes reads what upsert_candles.sql tells of candles that were replaced, or kept: a line for each, with
// the number of its series and the former values as candle.AppendCSV writes them. They are appended to told.
func (u upsert) changes(told []store.Change, lines []byte) ([]store.Change, error) {
	if len(lines) == 0 {
		return told, nil
	}
	for line := range strings.SplitSeq(string(lines), "\n") {
		if len(told) == store.MaxChanges {
			break
		}
		number, former, _ := strings.Cut(line, " ")
		nr, err := strconv.Atoi(number)
		if err != nil || nr < 1 || nr > len(u.runs) {
			return nil, fmt.Errorf("a stored candle is of series %q of %d", number, len(u.runs))
		}
		old, err := candle.ParseCSV(former)
		if err != nil {
			return nil, fmt.Errorf("a stored candle: %w", err)
		}
		for _, c := range u.runs[nr-1].Candles {
			if c.OpenTime == old.OpenTime {
				told = append(told, store.Change{Series: u.runs[nr-1].Series, Old: old, New: *c})
			}
		}
	}
	return told, nil
}
