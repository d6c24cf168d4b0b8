package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

// createAttempts bounds how often CreateCollector tries again when the collector that stood in its
// way is gone before it can be named.
const createAttempts = 10

// CreateCollector stores a new wanted record; see store.Registry.
func (s *Store) CreateCollector(ctx context.Context, r collector.Record) (collector.Record, error) {
	r = store.NewRecord(r)
	err := s.query(ctx, "store a collector", func(conn *pgxpool.Conn) error {
		for range createAttempts {
			err := conn.QueryRow(ctx, insertCollectorSQL, r.Spec.Exchange, r.Spec.Selector, r.Spec.Timeframe.String(), int64(r.Spec.Since),
				r.Wanted, string(r.Status), r.PID, nullTime(r.StartedAt), nullTime(r.StoppedAt),
				clean(r.Host), clean(r.Instance), clean(r.BootID), clean(r.Namespace), int64(r.StartTicks), clean(r.RunID), r.Restarts, clean(r.LastError),
				nullTime(r.NextAttempt), nullTime(r.LastExit.At), r.LastExit.Known, r.LastExit.Code, r.LastExit.Signal, clean(r.LastExit.Reason),
			).Scan(&r.ID, &r.Revision)
			if !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			winner, err := selectCollectors(ctx, conn, `WHERE wanted AND exchange = $1 AND hashtextextended(symbol, 0) = hashtextextended($2, 0) AND timeframe = $3`,
				r.Spec.Exchange, r.Spec.Selector, r.Spec.Timeframe.String())
			if err != nil {
				return err
			}
			if len(winner) > 0 {
				return &store.ExistsError{Record: winner[0]}
			}
		}
		return fmt.Errorf("a collector of %s exists and does not, %d times in turn", r.Spec.Key(), createAttempts)
	})
	if err != nil {
		return collector.Record{}, err
	}
	return r, nil
}

// UpdateCollector stores all of a record but its ID and Spec, if its revision is the stored one; see
// store.Registry. To want a record again while another of its key is wanted is an *store.ExistsError too.
func (s *Store) UpdateCollector(ctx context.Context, r collector.Record) error {
	return s.query(ctx, "store a collector", func(conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, updateCollectorSQL, r.ID, r.Revision, r.Wanted, string(r.Status), r.PID, nullTime(r.StartedAt), nullTime(r.StoppedAt),
			clean(r.Host), clean(r.Instance), clean(r.BootID), clean(r.Namespace), int64(r.StartTicks), clean(r.RunID), r.Restarts, clean(r.LastError),
			nullTime(r.NextAttempt), nullTime(r.LastExit.At), r.LastExit.Known, r.LastExit.Code, r.LastExit.Signal, clean(r.LastExit.Reason))
		switch {
		case code(err) == uniqueViolation:
			winner, selectErr := selectCollectors(ctx, conn, `WHERE wanted AND id <> $1 AND (exchange, hashtextextended(symbol, 0), timeframe) =
				(SELECT exchange, hashtextextended(symbol, 0), timeframe FROM collectors WHERE id = $1)`, r.ID)
			if selectErr == nil && len(winner) > 0 {
				return &store.ExistsError{Record: winner[0]}
			}
			return errors.Join(err, selectErr)
		case err != nil:
			return err
		case tag.RowsAffected() == 0:
			return absence(ctx, conn, r.ID)
		}
		return nil
	})
}

// absence tells why a row was not changed: it has another revision, or it is gone.
func absence(ctx context.Context, conn *pgxpool.Conn, id int64) error {
	found, err := selectCollectors(ctx, conn, "WHERE id = $1", id)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return fmt.Errorf("collector %d: %w", id, store.ErrNotFound)
	}
	return fmt.Errorf("collector %d: %w", id, store.ErrConflict)
}

// CollectorByID gives one record; see store.Registry.
func (s *Store) CollectorByID(ctx context.Context, id int64) (collector.Record, error) {
	found, err := s.collectors(ctx, "WHERE id = $1", id)
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
	return s.collectors(ctx, "WHERE pid = $1 AND status <> 'stopped' ORDER BY id DESC", pid)
}

// Collectors lists records by status; see store.Registry.
func (s *Store) Collectors(ctx context.Context, statuses ...collector.Status) ([]collector.Record, error) {
	if len(statuses) == 0 {
		return s.collectors(ctx, "ORDER BY id")
	}
	names := make([]string, len(statuses))
	for i, status := range statuses {
		names[i] = string(status)
	}
	return s.collectors(ctx, "WHERE status = ANY($1) ORDER BY id", names)
}

// DeleteStoppedCollectors removes old records; see store.Registry. One that is still wanted stays:
// its process died, the wish did not.
func (s *Store) DeleteStoppedCollectors(ctx context.Context, before time.Time) (deleted int64, err error) {
	err = s.query(ctx, "remove old collectors", func(conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, `DELETE FROM collectors
			WHERE status = 'stopped' AND NOT wanted AND coalesce(stopped_at, started_at) < $1`, before.UTC())
		deleted = tag.RowsAffected()
		return err
	})
	return deleted, err
}

// query lends a connection of the pool to do, within the gate and with our errors. do is begun anew
// when PostgreSQL took it back because of others: by hand somebody may change several rows in one
// transaction, in another order than ours, and a database may be set to a stricter isolation. What
// do does is one statement, or may be done twice.
func (s *Store) query(ctx context.Context, action string, do func(*pgxpool.Conn) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	conn, err := s.acquire(ctx)
	if err != nil {
		return s.failure(ctx, action, err)
	}
	defer conn.Release()
	for attempt := 1; ; attempt++ {
		err = do(conn)
		if c := code(err); (c != deadlockDetected && c != serializationFailure) || attempt == writeAttempts {
			break
		}
	}
	if store.IsAnswer(err) {
		return err
	}
	return s.failure(ctx, action, err)
}

func (s *Store) collectors(ctx context.Context, condition string, args ...any) (records []collector.Record, err error) {
	err = s.query(ctx, "read the collectors", func(conn *pgxpool.Conn) error {
		records, err = selectCollectors(ctx, conn, condition, args...)
		return err
	})
	return records, err
}

func selectCollectors(ctx context.Context, conn *pgxpool.Conn, condition string, args ...any) ([]collector.Record, error) {
	rows, err := conn.Query(ctx, selectCollectorsSQL+condition, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanCollector)
}

func scanCollector(row pgx.CollectableRow) (collector.Record, error) {
	var r collector.Record
	var timeframe, status string
	var since, ticks int64
	var started, stopped, next, exit *time.Time
	err := row.Scan(&r.ID, &r.Spec.Exchange, &r.Spec.Selector, &timeframe, &since, &r.Wanted, &status, &r.PID, &started, &stopped,
		&r.Host, &r.Instance, &r.BootID, &r.Namespace, &ticks, &r.RunID, &r.Restarts, &r.LastError,
		&next, &exit, &r.LastExit.Known, &r.LastExit.Code, &r.LastExit.Signal, &r.LastExit.Reason, &r.Revision)
	if err != nil {
		return r, err
	}
	// A row of an older deployment with a timeframe that does not exist must not hide the others;
	// its record has none.
	if tf, err := candle.ParseTimeframe(timeframe); err == nil {
		r.Spec.Timeframe = tf
	}
	r.Spec.Since, r.Status, r.StartTicks = candle.Millis(since), collector.Status(status), uint64(ticks)
	r.StartedAt, r.StoppedAt = timeOf(started), timeOf(stopped)
	r.NextAttempt, r.LastExit.At = timeOf(next), timeOf(exit)
	return r, nil
}

// timeOf gives a stored time to the millisecond in UTC, or the zero time for nil.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// nullTime gives a time to the millisecond in UTC, or nil for the zero time.
func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// clean makes a text storable: PostgreSQL takes neither zero bytes nor broken UTF-8, and what a
// dying process wrote last may hold both.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
