package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"velador/internal/candle"
	"velador/internal/store"
)

// countKept counts the candles of a batch that differ from confirmed ones, which stayed. Those that the upserts
// left alone count as the same until then. It is a question of its own, after the commit, because it is
// hardly ever to be asked: batches with candles that are confirmed already are old. locked is what was
// confirmed before.
func countKept(ctx context.Context, conn *pgconn.PgConn, b store.Batch, locked [][][]byte, w *store.Written) error {
	if w.Same == 0 {
		return nil
	}
	rows, err := integers(locked, 3)
	if err != nil {
		return err
	}
	series, confirmed := b.AllSeries(), make(map[candle.Series][]candle.Range)
	for _, row := range rows {
		if r := (candle.Range{From: candle.Millis(row[1]), To: candle.Millis(row[2])}); !r.Empty() {
			confirmed[series[row[0]-1]] = []candle.Range{r}
		}
	}
	var ask trip
	for _, stage := range b.Stages {
		if !stage.Verified {
			ask.addRuns(within(stage.Runs, confirmed), keptSQL)
		}
		for _, a := range stage.Audits {
			confirmed[a.Series] = append(confirmed[a.Series], a.Range)
		}
	}
	if ask.queued == 0 {
		return nil
	}
	if err := ask.run(ctx, conn); err != nil {
		return err
	}
	for _, u := range ask.upserts {
		row := ask.results[u.result].Rows
		n, err := integers(row, 1)
		if err != nil {
			return err
		}
		w.Kept += int(n[0][0])
		w.Same -= int(n[0][0])
		if w.Keeps, err = u.changes(w.Keeps, row[0][1]); err != nil {
			return err
		}
	}
	return nil
}

// within gives those candles of runs that lie in one of the ranges of their series.
func within(runs []store.Run, ranges map[candle.Series][]candle.Range) (inside []store.Run) {
	for _, run := range runs {
		part := store.Run{Series: run.Series}
		for _, c := range run.Candles {
			for _, r := range ranges[run.Series] {
				if r.Contains(c.OpenTime) {
					part.Candles = append(part.Candles, c)
					break
				}
			}
		}
		if len(part.Candles) > 0 {
			inside = append(inside, part)
		}
	}
	return inside
}
