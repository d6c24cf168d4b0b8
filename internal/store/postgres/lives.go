package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"velador/internal/collector"
	"velador/internal/store"
)

// SaveLife stores a life that has ended; see store.Lives.
func (s *Store) SaveLife(ctx context.Context, l collector.Life) error {
	return s.query(ctx, "store how a process ended", func(conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, insertLifeSQL, l.CollectorID, clean(l.RunID), l.PID, clean(l.Host), nullTime(l.StartedAt),
			nullTime(l.Exit.At), l.Exit.Known, l.Exit.Code, l.Exit.Signal, clean(l.Exit.Reason))
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		_, err = conn.Exec(ctx, deleteOldLivesSQL, l.CollectorID, store.MaxLives)
		return err
	})
}

// Lives gives the newest lives of a record; see store.Lives.
func (s *Store) Lives(ctx context.Context, id int64, limit int) (lives []collector.Life, err error) {
	err = s.query(ctx, "read how processes ended", func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, selectLivesSQL, id, max(limit, 0))
		if err != nil {
			return err
		}
		lives, err = pgx.CollectRows(rows, scanLife)
		return err
	})
	return lives, err
}

func scanLife(row pgx.CollectableRow) (collector.Life, error) {
	var l collector.Life
	var started, exit *time.Time
	err := row.Scan(&l.CollectorID, &l.RunID, &l.PID, &l.Host, &started,
		&exit, &l.Exit.Known, &l.Exit.Code, &l.Exit.Signal, &l.Exit.Reason)
	l.StartedAt, l.Exit.At = timeOf(started), timeOf(exit)
	return l, err
}
