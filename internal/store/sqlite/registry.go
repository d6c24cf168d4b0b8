package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

// timeForm is how the registry keeps times: UTC, to the millisecond, in a form that sorts.
const timeForm = "2006-01-02T15:04:05.000Z"

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// CreateCollector stores a new wanted record; see store.Registry.
func (s *Store) CreateCollector(ctx context.Context, r collector.Record) (collector.Record, error) {
	r = store.NewRecord(r)
	err := s.change(ctx, "store a collector", func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, insertCollectorSQL, r.Spec.Exchange, r.Spec.Selector, r.Spec.Timeframe.String(), int64(r.Spec.Since),
			r.Wanted, string(r.Status), r.PID, nullTime(r.StartedAt), nullTime(r.StoppedAt),
			r.Host, r.Instance, r.BootID, r.Namespace, int64(r.StartTicks), r.RunID, r.Restarts, r.LastError,
			nullTime(r.NextAttempt), nullTime(r.LastExit.At), r.LastExit.Known, r.LastExit.Code, r.LastExit.Signal, r.LastExit.Reason,
		).Scan(&r.ID, &r.Revision)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		winner, err := selectCollectors(ctx, tx, "WHERE wanted AND (exchange, symbol, timeframe) = (?1, ?2, ?3)",
			r.Spec.Exchange, r.Spec.Selector, r.Spec.Timeframe.String())
		if err == nil && len(winner) == 0 {
			err = fmt.Errorf("a collector of %s exists and does not", r.Spec.Key())
		}
		if err != nil {
			return err
		}
		return &store.ExistsError{Record: winner[0]}
	})
	if err != nil {
		return collector.Record{}, err
	}
	return r, nil
}

// UpdateCollector stores all of a record but its ID and Spec, if its revision is the stored one; see
// store.Registry. To want a record again while another of its key is wanted is an *store.ExistsError too.
func (s *Store) UpdateCollector(ctx context.Context, r collector.Record) error {
	return s.change(ctx, "store a collector", func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, updateCollectorSQL, r.ID, r.Revision, r.Wanted, string(r.Status), r.PID, nullTime(r.StartedAt), nullTime(r.StoppedAt),
			r.Host, r.Instance, r.BootID, r.Namespace, int64(r.StartTicks), r.RunID, r.Restarts, r.LastError,
			nullTime(r.NextAttempt), nullTime(r.LastExit.At), r.LastExit.Known, r.LastExit.Code, r.LastExit.Signal, r.LastExit.Reason)
		if extended(err) == codeConstraintUnique {
			winner, selectErr := selectCollectors(ctx, tx, `WHERE wanted AND id <> ?1 AND (exchange, symbol, timeframe) =
				(SELECT exchange, symbol, timeframe FROM collectors WHERE id = ?1)`, r.ID)
			if selectErr == nil && len(winner) > 0 {
				return &store.ExistsError{Record: winner[0]}
			}
			return errors.Join(err, selectErr)
		}
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		// Not changed: it has another revision, or it is gone.
		found, err := selectCollectors(ctx, tx, "WHERE id = ?1", r.ID)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fmt.Errorf("collector %d: %w", r.ID, store.ErrNotFound)
		}
		return fmt.Errorf("collector %d: %w", r.ID, store.ErrConflict)
	})
}

// CollectorByID gives one record; see store.Registry.
func (s *Store) CollectorByID(ctx context.Context, id int64) (collector.Record, error) {
	found, err := s.collectors(ctx, "WHERE id = ?1", id)
	if err != nil {
		return collector.Record{}, err
	}
	if len(found) == 0 {
		return collector.Record{}, fmt.Errorf("collector %d: %w", id, store.ErrNotFound)
	}
	return found[0], nil
}

// CollectorsByPID gives the records with a PID that are not stopped; see store.Registry.
func (s *Store) CollectorsByPID(ctx context.Context, pid int) ([]collector.Record, error) {
	return s.collectors(ctx, "WHERE pid = ?1 AND status <> 'stopped' ORDER BY id DESC", pid)
}

// Collectors lists records by status; see store.Registry.
func (s *Store) Collectors(ctx context.Context, statuses ...collector.Status) ([]collector.Record, error) {
	if len(statuses) == 0 {
		return s.collectors(ctx, "ORDER BY id")
	}
	names, err := json.Marshal(statuses)
	if err != nil {
		return nil, err
	}
	return s.collectors(ctx, "WHERE status IN (SELECT value FROM json_each(?1)) ORDER BY id", string(names))
}

// DeleteStoppedCollectors removes old records; see store.Registry. One that is still wanted stays:
// its process died, the wish did not.
func (s *Store) DeleteStoppedCollectors(ctx context.Context, before time.Time) (deleted int64, err error) {
	err = s.change(ctx, "remove old collectors", func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM collectors
			WHERE status = 'stopped' AND NOT wanted AND coalesce(stopped_at, started_at) < ?1`, before.UTC().Format(timeForm))
		if err != nil {
			return err
		}
		deleted, err = result.RowsAffected()
		return err
	})
	return deleted, err
}

// change runs do in a transaction, which it may share with other changes (group.go), within the gate
// and with our errors. do
// uses the context that it is given.
func (s *Store) change(ctx context.Context, action string, do func(context.Context, *sql.Tx) error) error {
	return s.call(ctx, action, func() error { return s.changes.carryOut(ctx, do) })
}

func (s *Store) collectors(ctx context.Context, condition string, args ...any) (records []collector.Record, err error) {
	err = s.call(ctx, "read the collectors", func() error {
		records, err = selectCollectors(ctx, s.reader, condition, args...)
		return err
	})
	return records, err
}

func selectCollectors(ctx context.Context, db querier, condition string, args ...any) (records []collector.Record, err error) {
	rows, err := db.QueryContext(ctx, selectCollectorsSQL+condition, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanCollector(rows)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

func scanCollector(rows *sql.Rows) (collector.Record, error) {
	var r collector.Record
	var timeframe, status string
	var since, ticks int64
	var started, stopped, next, exit sql.NullString
	err := rows.Scan(&r.ID, &r.Spec.Exchange, &r.Spec.Selector, &timeframe, &since, &r.Wanted, &status, &r.PID, &started, &stopped,
		&r.Host, &r.Instance, &r.BootID, &r.Namespace, &ticks, &r.RunID, &r.Restarts, &r.LastError,
		&next, &exit, &r.LastExit.Known, &r.LastExit.Code, &r.LastExit.Signal, &r.LastExit.Reason, &r.Revision)
	if err != nil {
		return r, err
	}
	// A row that another program wrote with a timeframe that does not exist must not hide the
	// others; its record has none.
	if tf, err := candle.ParseTimeframe(timeframe); err == nil {
		r.Spec.Timeframe = tf
	}
	r.Spec.Since, r.Status, r.StartTicks = candle.Millis(since), collector.Status(status), uint64(ticks)
	err = parseTimes(
		storedTime{started, &r.StartedAt}, storedTime{stopped, &r.StoppedAt},
		storedTime{next, &r.NextAttempt}, storedTime{exit, &r.LastExit.At})
	if err != nil {
		return r, fmt.Errorf("collector %d: %w", r.ID, err)
	}
	return r, nil
}

// storedTime is a time as a table keeps it, and where it belongs.
type storedTime struct {
	text sql.NullString
	time *time.Time
}

func parseTimes(all ...storedTime) (err error) {
	for _, one := range all {
		if one.text.Valid {
			if *one.time, err = time.Parse(timeForm, one.text.String); err != nil {
				return err
			}
		}
	}
	return nil
}

// nullTime gives a time as the table keeps it, or nil for the zero time.
func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeForm)
}
