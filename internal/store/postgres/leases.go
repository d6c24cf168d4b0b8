package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"velador/internal/store"
)

// AcquireLease begins a new epoch of an instance's lease; see store.Leases.
func (s *Store) AcquireLease(ctx context.Context, instance, host string, ttl time.Duration) (store.Lease, error) {
	return s.lease(ctx, "acquire the lease", acquireLeaseSQL, clean(instance), clean(host), ttl.Microseconds(), store.LeaseMemory.Microseconds())
}

// RenewLease lets a lease run on; see store.Leases.
func (s *Store) RenewLease(ctx context.Context, l store.Lease, ttl time.Duration) (store.Lease, error) {
	renewed, err := s.lease(ctx, "renew the lease", renewLeaseSQL, clean(l.Instance), l.Epoch, ttl.Microseconds())
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Lease{}, fmt.Errorf("instance %s, epoch %d: %w", l.Instance, l.Epoch, store.ErrLeaseLost)
	}
	return renewed, err
}

// ReleaseLease ends a lease; see store.Leases.
func (s *Store) ReleaseLease(ctx context.Context, l store.Lease) error {
	return s.query(ctx, "release the lease", func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, releaseLeaseSQL, clean(l.Instance), l.Epoch)
		return err
	})
}

// FenceLease ends the epoch of a lease that has run out; see store.Leases.
func (s *Store) FenceLease(ctx context.Context, instance string) (remaining time.Duration, err error) {
	err = s.query(ctx, "end a lease", func(conn *pgxpool.Conn) error {
		var micros int64
		err := conn.QueryRow(ctx, fenceLeaseSQL, clean(instance)).Scan(&micros)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		remaining = time.Duration(micros) * time.Microsecond
		return err
	})
	return remaining, err
}

// Leases lists all; see store.Leases.
func (s *Store) Leases(ctx context.Context) (leases []store.Lease, err error) {
	err = s.query(ctx, "list the leases", func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, selectLeasesSQL)
		if err != nil {
			return err
		}
		leases, err = pgx.CollectRows(rows, scanLease)
		return err
	})
	return leases, err
}

// lease runs a statement that gives one lease, or none: pgx.ErrNoRows.
func (s *Store) lease(ctx context.Context, action, sql string, args ...any) (lease store.Lease, err error) {
	err = s.query(ctx, action, func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		lease, err = pgx.CollectExactlyOneRow(rows, scanLease)
		return err
	})
	return lease, err
}

func scanLease(row pgx.CollectableRow) (store.Lease, error) {
	var l store.Lease
	var micros int64
	err := row.Scan(&l.Instance, &l.Host, &l.Epoch, &micros)
	l.Remaining = time.Duration(micros) * time.Microsecond
	return l, err
}
