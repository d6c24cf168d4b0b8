package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"velador/internal/collector"
	"velador/internal/store"
)

// SaveLife stores a life that has ended; see store.Lives.
func (s *Store) SaveLife(ctx context.Context, l collector.Life) error {
	return s.change(ctx, "store how a process ended", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertLifeSQL, l.CollectorID, l.RunID, l.PID, l.Host, nullTime(l.StartedAt),
			nullTime(l.Exit.At), l.Exit.Known, l.Exit.Code, l.Exit.Signal, l.Exit.Reason)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, deleteOldLivesSQL, l.CollectorID, store.MaxLives)
		return err
	})
}

// Lives gives the newest lives of a record; see store.Lives.
func (s *Store) Lives(ctx context.Context, id int64, limit int) (lives []collector.Life, err error) {
	err = s.call(ctx, "read how processes ended", func() (err error) {
		// A negative limit would be none to SQLite.
		rows, err := s.reader.QueryContext(ctx, selectLivesSQL, id, max(limit, 0))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			l, err := scanLife(rows)
			if err != nil {
				return err
			}
			lives = append(lives, l)
		}
		return rows.Err()
	})
	return lives, err
}

func scanLife(rows *sql.Rows) (collector.Life, error) {
	var l collector.Life
	var started, exit sql.NullString
	err := rows.Scan(&l.CollectorID, &l.RunID, &l.PID, &l.Host, &started,
		&exit, &l.Exit.Known, &l.Exit.Code, &l.Exit.Signal, &l.Exit.Reason)
	if err != nil {
		return l, err
	}
	if err := parseTimes(storedTime{started, &l.StartedAt}, storedTime{exit, &l.Exit.At}); err != nil {
		return l, fmt.Errorf("a life of collector %d: %w", l.CollectorID, err)
	}
	return l, nil
}
