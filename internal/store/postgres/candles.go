package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"velador/internal/candle"
	"velador/internal/store"
)

// smallBatch is up to how many candles go to the database in one statement and one round trip,
// as the closed candles of a live minute do. Larger batches are worth a COPY.
const smallBatch = 500

// pieceRows bounds the candles of one upsert statement within a large batch.
const pieceRows = 5000

// writeAttempts bounds how often a call is begun anew after another writer got in its way.
const writeAttempts = 5

// Write stores a batch in one transaction; see store.Candles.
//
// Candles of a stretch where nothing is stored go straight into the table by COPY; all others are
// upserted from arrays. Both carry the exchange's own digits as text. No temporary table is
// involved: creating one per batch would bloat PostgreSQL's catalogue.
func (s *Store) Write(ctx context.Context, entries []store.Entry) (store.Written, error) {
	batch, err := store.Plan(entries)
	if err != nil || batch.Empty() {
		return store.Written{}, err
	}
	var written store.Written
	err = s.withConn(ctx, "store candles", func(conn *pgconn.PgConn) error {
		for attempt := 1; ; attempt++ {
			var err error
			if batch.Candles <= smallBatch {
				written, err = writeSmall(ctx, conn, batch)
			} else {
				written, err = writeLarge(ctx, conn, batch, attempt == 1)
			}
			switch code(err) {
			case uniqueViolation, serializationFailure, deadlockDetected:
				if attempt < writeAttempts {
					continue
				}
			}
			return err
		}
	})
	if err != nil {
		return store.Written{}, err
	}
	return written, nil
}

// writeSmall sends everything at once. What is sent up to one Sync is one implicit transaction
// (PostgreSQL manual, "Pipelining"), so it needs neither BEGIN nor COMMIT.
func writeSmall(ctx context.Context, conn *pgconn.PgConn, b store.Batch) (store.Written, error) {
	var trip trip
	trip.addSeries(b)
	trip.addStages(b.Stages)
	trip.addGaps(b.Gaps)
	if err := trip.run(ctx, conn); err != nil {
		return store.Written{}, err
	}
	written, err := trip.written()
	if err != nil {
		return store.Written{}, err
	}
	err = countKept(ctx, conn, b, trip.results[1].Rows, &written)
	return written, err
}

// writeLarge stores a batch in an explicit transaction, by COPY where mayCopy and nothing is stored: candles
// of the first stage, that of a back-fill has no other.
func writeLarge(ctx context.Context, conn *pgconn.PgConn, b store.Batch, mayCopy bool) (written store.Written, err error) {
	defer func() {
		if err != nil && conn.TxStatus() != 'I' && !conn.IsClosed() {
			_, rollbackErr := conn.Exec(ctx, "ROLLBACK").ReadAll()
			err = errors.Join(err, rollbackErr)
		}
	}()
	var begin trip
	begin.add("BEGIN")
	begin.addSeries(b)
	runs := b.Stages[0].Runs // a large batch has candles
	begin.add(occupiedSQL, spansOf(runs)...)
	if err := begin.run(ctx, conn); err != nil {
		return store.Written{}, err
	}
	states := begin.results[len(begin.results)-1].Rows
	if len(states) != len(runs) {
		return store.Written{}, fmt.Errorf("%d of %d series have an id", len(states), len(runs))
	}
	var fresh copyReader
	var occupied []store.Run
	for i, run := range runs {
		if mayCopy && string(states[i][1]) == "f" {
			fresh.add(string(states[i][0]), run.Candles)
		} else {
			occupied = append(occupied, run)
		}
	}
	if fresh.rows > 0 {
		tag, err := conn.CopyFrom(ctx, &fresh, copyCandlesSQL)
		if err != nil {
			return store.Written{}, err
		}
		if tag.RowsAffected() != int64(fresh.rows) {
			return store.Written{}, fmt.Errorf("COPY stored %d of %d candles", tag.RowsAffected(), fresh.rows)
		}
	}
	stages := slices.Clone(b.Stages)
	stages[0].Runs = occupied
	var end trip
	end.addStages(stages)
	end.addGaps(b.Gaps)
	end.add("COMMIT")
	if err := end.run(ctx, conn); err != nil {
		return store.Written{}, err
	}
	if written, err = end.written(); err != nil {
		return written, err
	}
	written.New += fresh.rows
	err = countKept(ctx, conn, b, begin.results[2].Rows, &written)
	return written, err
}

// trip is statements that share a round trip.
type trip struct {
	batch   pgconn.Batch
	queued  int
	upserts []upsert
	audits  []audit
	results []*pgconn.Result
}

// upsert is one statement of a trip about candles.
type upsert struct {
	result, candles int
	runs            []store.Run
}

func (t *trip) add(sql string, params ...[]byte) {
	t.batch.ExecParams(sql, params, nil, nil, nil)
	t.queued++
}

// addSeries registers the series of a batch and locks them. Its two answers are the next ones.
func (t *trip) addSeries(b store.Batch) {
	names := namesOf(b.AllSeries())
	t.add(registerSeriesSQL, names...)
	lock := shareSeriesSQL
	if b.Audited() {
		lock = lockSeriesSQL
	}
	t.add(lock, names...)
}

// addStages adds the candles and audits of a batch.
func (t *trip) addStages(stages []store.Stage) {
	for _, s := range stages {
		t.addRuns(s.Runs, upsertCandlesSQL, strconv.AppendBool(nil, s.Verified))
		t.addAudits(s.Audits)
	}
}

// addRuns adds a statement for all candles of runs, in pieces of pieceRows.
func (t *trip) addRuns(runs []store.Run, sql string, more ...[]byte) {
	var piece []store.Run
	rows := 0
	flush := func() {
		if rows > 0 {
			t.upserts = append(t.upserts, upsert{result: t.queued, candles: rows, runs: piece})
			t.add(sql, append(candleArrays(piece), more...)...)
			piece, rows = nil, 0
		}
	}
	for _, run := range runs {
		for len(run.Candles) > 0 {
			n := min(len(run.Candles), pieceRows-rows)
			piece = append(piece, store.Run{Series: run.Series, Candles: run.Candles[:n]})
			run.Candles = run.Candles[n:]
			if rows += n; rows == pieceRows {
				flush()
			}
		}
	}
	flush()
}

func (t *trip) addGaps(gaps []candle.Gap) {
	if len(gaps) > 0 {
		t.add(upsertGapsSQL, gapArrays(gaps)...)
	}
}

// run sends the statements and reads all answers.
func (t *trip) run(ctx context.Context, conn *pgconn.PgConn) error {
	var err error
	if t.results, err = conn.ExecBatch(ctx, &t.batch).ReadAll(); err != nil {
		return err
	}
	for _, r := range t.results {
		if r.Err != nil {
			return r.Err
		}
	}
	if len(t.results) != t.queued {
		return fmt.Errorf("the database answered %d of %d statements", len(t.results), t.queued)
	}
	return nil
}

// written adds up what the upserts of a trip say they did.
func (t *trip) written() (store.Written, error) {
	var w store.Written
	for _, u := range t.upserts {
		row := t.results[u.result].Rows
		counts, err := integers(row, 2)
		if err != nil {
			return store.Written{}, err
		}
		fresh, changed := int(counts[0][0]), int(counts[0][1])
		w.New += fresh
		w.Changed += changed
		w.Same += u.candles - fresh - changed
		if w.Changes, err = u.changes(w.Changes, row[0][2]); err != nil {
			return store.Written{}, err
		}
	}
	for _, a := range t.audits {
		if err := a.count(&w, t.results[a.result].Rows); err != nil {
			return store.Written{}, err
		}
	}
	return w, nil
}

// pageRows bounds what EachCandle holds in memory at a time.
const pageRows = 4096

// EachCandle streams the candles of a query; see store.Candles. It reads in pages, each in a
// query of its own, and holds no connection while it yields: a slow reader keeps neither a
// connection nor a snapshot, and yield may call the store.
func (s *Store) EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	r, left := bounds(q.Range), q.Limit
	sql := selectCandlesSQL
	if q.Descending {
		sql = selectCandlesDescendingSQL
	}
	var page []candle.Candle
	for !r.Empty() {
		limit := pageRows
		if q.Limit > 0 {
			limit = min(limit, left)
		}
		var err error
		if page, err = s.page(ctx, sql, q.Series, r, limit, page[:0]); err != nil {
			return err
		}
		for _, c := range page {
			if err := yield(c); err != nil {
				return err
			}
		}
		if left -= len(page); len(page) < limit || (q.Limit > 0 && left == 0) {
			return nil
		}
		last := page[len(page)-1].OpenTime
		switch {
		case q.Descending && last == math.MinInt64, !q.Descending && last == math.MaxInt64:
			return nil
		case q.Descending:
			r.To = last - 1
		default:
			r.From = last + 1
		}
	}
	return nil
}

// page reads one page of candles into dst.
func (s *Store) page(ctx context.Context, sql string, series candle.Series, r candle.Range, limit int, dst []candle.Candle) ([]candle.Candle, error) {
	err := s.borrow(ctx, "read candles", func(conn *pgconn.PgConn) error {
		rows := conn.ExecParams(ctx, sql, seriesParams(series, int64(r.From), int64(r.To), int64(limit)), nil, nil, nil)
		for rows.NextRow() {
			c, err := decodeCandle(rows.Values())
			if err != nil {
				_, closeErr := rows.Close()
				return errors.Join(err, closeErr)
			}
			dst = append(dst, c)
		}
		_, err := rows.Close()
		return err
	})
	return dst, err
}

// bounds gives the range that a query means: the zero Range is all.
func bounds(r candle.Range) candle.Range {
	if r == (candle.Range{}) {
		return candle.Range{From: math.MinInt64, To: math.MaxInt64}
	}
	return r
}

// Resume tells where to take up a series; see store.Candles.
func (s *Store) Resume(ctx context.Context, series candle.Series, lookBack int) (candle.Resume, error) {
	resume := candle.Resume{Series: series}
	err := s.withConn(ctx, "find where a series ends", func(conn *pgconn.PgConn) error {
		var first trip
		first.add(newestSQL, seriesParams(series)...)
		first.add(confirmedSQL, seriesParams(series)...)
		first.add(firstSeenSQL, seriesParams(series, int64(max(lookBack, 1)))...)
		first.add(ledgerSQL, seriesParams(series, store.MaxLedger)...)
		first.add(selectGapsSQL, append(seriesParams(series, math.MinInt64, math.MaxInt64), []byte(candle.GapOpen))...)
		anchored := series.Timeframe.Anchored()
		if anchored {
			first.add(jumpsSQL, seriesParams(series, int64(max(lookBack, 0)), series.Timeframe.Step().Milliseconds())...)
		}
		if err := first.run(ctx, conn); err != nil {
			return err
		}
		if first.results[0].Rows[0][0] == nil {
			return nil
		}
		newest, err := integers(first.results[0].Rows, 1)
		if err != nil {
			return err
		}
		resume.Last, resume.HasLast = candle.Millis(newest[0][0]), true
		if resume.ConfirmedTo, err = confirmedTo(first.results[1].Rows, first.results[2].Rows); err != nil {
			return err
		}
		if resume.Ledger, err = decodeGaps(series, first.results[3].Rows); err != nil {
			return err
		}
		open, err := decodeGaps(series, first.results[4].Rows)
		if err != nil {
			return err
		}
		open = slices.DeleteFunc(open, func(g candle.Gap) bool { return g.Range.From > resume.Last })
		if !anchored {
			resume.Missing = store.WithOpen(series.Timeframe, nil, open)
			return nil
		}
		pairs, err := integers(first.results[5].Rows, 2)
		if err != nil {
			return err
		}
		jumps := make([]store.Jump, len(pairs))
		for i, pair := range pairs {
			jumps[i] = store.Jump{After: candle.Millis(pair[0]), Before: candle.Millis(pair[1])}
		}
		if len(jumps) > 0 {
			absent, err := selectGaps(ctx, conn, series, candle.Range{From: jumps[0].After, To: resume.Last}, candle.GapAbsent)
			if err != nil {
				return err
			}
			resume.Missing = store.Missing(series.Timeframe, jumps, absent)
		}
		resume.Missing = store.WithOpen(series.Timeframe, resume.Missing, open)
		return nil
	})
	if err != nil {
		return candle.Resume{}, err
	}
	return resume, nil
}

// Coverage counts a stretch of a series; see store.Candles. The zero Range means all.
func (s *Store) Coverage(ctx context.Context, series candle.Series, r candle.Range) (store.Coverage, error) {
	var c store.Coverage
	r = bounds(r)
	err := s.withConn(ctx, "count candles", func(conn *pgconn.PgConn) error {
		var count trip
		count.add(coverageSQL, seriesParams(series, int64(r.From), int64(r.To))...)
		count.add(confirmedSQL, seriesParams(series)...)
		if err := count.run(ctx, conn); err != nil {
			return err
		}
		if row := count.results[0].Rows; row[0][0] != nil {
			n, err := integers(row, 3)
			if err != nil {
				return err
			}
			c.First, c.Last, c.Present = candle.Millis(n[0][0]), candle.Millis(n[0][1]), n[0][2]
		}
		var err error
		if c.Confirmed, err = confirmed(count.results[1].Rows); err != nil {
			return err
		}
		c.Gaps, err = selectGaps(ctx, conn, series, r, "")
		return err
	})
	if err != nil {
		return store.Coverage{}, err
	}
	return c, nil
}

// integers reads rows of n integers.
func integers(rows [][][]byte, n int) ([][]int64, error) {
	all := make([][]int64, len(rows))
	for i, row := range rows {
		all[i] = make([]int64, n)
		for k := range n {
			var err error
			if all[i][k], err = strconv.ParseInt(string(row[k]), 10, 64); err != nil {
				return nil, fmt.Errorf("the database answered no number: %w", err)
			}
		}
	}
	return all, nil
}
