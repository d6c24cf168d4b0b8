package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"velador/internal/candle"
	"velador/internal/store"
)

var (
	//go:embed queries/count_intervals.sql
	countIntervalsSQL string
	//go:embed queries/count_opens.sql
	countOpensSQL string
	//go:embed queries/ends.sql
	endsSQL string
	//go:embed queries/select_opens.sql
	selectOpensSQL string
)

// Days counts a stretch of a series day by day; see store.Candles.
func (s *Store) Days(ctx context.Context, series candle.Series, r candle.Range) (days []store.Day, err error) {
	err = s.withConn(ctx, "count candles by day", func(conn *pgconn.PgConn) (err error) {
		d := dayReader{conn, series}
		// One snapshot for all statements: a candle that comes meanwhile is in all counts or in none.
		if err := d.tell(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return err
		}
		defer func() {
			if !conn.IsClosed() {
				err = errors.Join(err, d.tell(ctx, "ROLLBACK"))
			}
		}()
		days, err = store.CountDays(ctx, series.Timeframe, r, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return days, nil
}

// dayReader is what days are counted from.
type dayReader struct {
	conn   *pgconn.PgConn
	series candle.Series
}

func (d dayReader) tell(ctx context.Context, sql string) error {
	_, err := d.conn.Exec(ctx, sql).ReadAll()
	return err
}

// ask runs one statement about the series.
func (d dayReader) ask(ctx context.Context, sql string, params ...[]byte) ([][][]byte, error) {
	var read trip
	read.add(sql, params...)
	if err := read.run(ctx, d.conn); err != nil {
		return nil, err
	}
	return read.results[0].Rows, nil
}

func (d dayReader) Ends(ctx context.Context, r candle.Range) (ends candle.Range, stored bool, err error) {
	rows, err := d.ask(ctx, endsSQL, seriesParams(d.series, int64(r.From), int64(r.To))...)
	if err != nil || rows[0][0] == nil {
		return ends, false, err
	}
	n, err := integers(rows, 2)
	if err != nil {
		return ends, false, err
	}
	return candle.Range{From: candle.Millis(n[0][0]), To: candle.Millis(n[0][1])}, true, nil
}

func (d dayReader) Gaps(ctx context.Context, r candle.Range) ([]candle.Gap, error) {
	return selectGaps(ctx, d.conn, d.series, r, "")
}

// Intervals counts rows, which costs a walk through the index, and looks at what is distinct, which
// costs a sort, only where a candle lies off the grid.
func (d dayReader) Intervals(ctx context.Context, stretches []candle.Range) ([]int64, error) {
	opened, err := d.count(ctx, countOpensSQL, stretches, 2)
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(stretches))
	var at []int
	var again []candle.Range
	for i, n := range opened {
		if counts[i] = n[0]; n[1] > 0 {
			at, again = append(at, i), append(again, stretches[i])
		}
	}
	if len(again) == 0 {
		return counts, nil
	}
	intervals, err := d.count(ctx, countIntervalsSQL, again, 1)
	if err != nil {
		return nil, err
	}
	for i, n := range intervals {
		counts[at[i]] = n[0]
	}
	return counts, nil
}

// count runs a statement that answers a row for each stretch.
func (d dayReader) count(ctx context.Context, sql string, stretches []candle.Range, columns int) ([][]int64, error) {
	var first, last array
	for _, r := range stretches {
		first.integer(int64(r.From))
		last.integer(int64(r.To))
	}
	step := fmt.Appendf(nil, "%d", d.series.Timeframe.Step().Milliseconds())
	rows, err := d.ask(ctx, sql, append(seriesParams(d.series), first.bytes(), last.bytes(), step)...)
	if err == nil && len(rows) != len(stretches) {
		err = fmt.Errorf("the database counted %d of %d stretches", len(rows), len(stretches))
	}
	if err != nil {
		return nil, err
	}
	return integers(rows, columns)
}

func (d dayReader) Opens(ctx context.Context, r candle.Range) ([]candle.Millis, error) {
	rows, err := d.ask(ctx, selectOpensSQL, seriesParams(d.series, int64(r.From), int64(r.To))...)
	if err != nil {
		return nil, err
	}
	n, err := integers(rows, 1)
	opens := make([]candle.Millis, len(n))
	for i := range n {
		opens[i] = candle.Millis(n[i][0])
	}
	return opens, err
}
