package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"velador/internal/store"
)

// AcquireLease begins a new epoch of an instance's lease; see store.Leases.
func (s *Store) AcquireLease(ctx context.Context, instance, host string, ttl time.Duration) (lease store.Lease, err error) {
	err = s.change(ctx, "acquire the lease", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, deleteOldLeasesSQL, instance, store.LeaseMemory.Milliseconds()); err != nil {
			return err
		}
		epoch, err := nextEpoch(ctx, tx)
		if err != nil {
			return err
		}
		lease, err = scanLease(tx.QueryRowContext(ctx, acquireLeaseSQL, instance, host, epoch, wholeMillis(ttl)))
		return err
	})
	return lease, err
}

// RenewLease lets a lease run on; see store.Leases.
func (s *Store) RenewLease(ctx context.Context, l store.Lease, ttl time.Duration) (lease store.Lease, err error) {
	err = s.change(ctx, "renew the lease", func(ctx context.Context, tx *sql.Tx) error {
		lease, err = scanLease(tx.QueryRowContext(ctx, renewLeaseSQL, l.Instance, l.Epoch, wholeMillis(ttl)))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("instance %s, epoch %d: %w", l.Instance, l.Epoch, store.ErrLeaseLost)
		}
		return err
	})
	return lease, err
}

// ReleaseLease ends a lease; see store.Leases.
func (s *Store) ReleaseLease(ctx context.Context, l store.Lease) error {
	return s.change(ctx, "release the lease", func(ctx context.Context, tx *sql.Tx) error {
		epoch, err := nextEpoch(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, releaseLeaseSQL, l.Instance, l.Epoch, epoch)
		return err
	})
}

// FenceLease ends the epoch of a lease that has run out; see store.Leases.
func (s *Store) FenceLease(ctx context.Context, instance string) (remaining time.Duration, err error) {
	err = s.change(ctx, "end a lease", func(ctx context.Context, tx *sql.Tx) error {
		epoch, err := nextEpoch(ctx, tx)
		if err != nil {
			return err
		}
		var millis int64
		err = tx.QueryRowContext(ctx, fenceLeaseSQL, instance, epoch).Scan(&millis)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		remaining = time.Duration(millis) * time.Millisecond
		return err
	})
	return remaining, err
}

// Leases lists all; see store.Leases.
func (s *Store) Leases(ctx context.Context) (leases []store.Lease, err error) {
	err = s.call(ctx, "list the leases", func() (err error) {
		rows, err := s.reader.QueryContext(ctx, selectLeasesSQL)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			l, err := scanLease(rows)
			if err != nil {
				return err
			}
			leases = append(leases, l)
		}
		return rows.Err()
	})
	return leases, err
}

// nextEpoch gives an epoch that no lease has had.
func nextEpoch(ctx context.Context, tx *sql.Tx) (epoch int64, err error) {
	err = tx.QueryRowContext(ctx, nextEpochSQL).Scan(&epoch)
	return epoch, err
}

func scanLease(row interface{ Scan(...any) error }) (store.Lease, error) {
	var l store.Lease
	var millis int64
	err := row.Scan(&l.Instance, &l.Host, &l.Epoch, &millis)
	l.Remaining = time.Duration(millis) * time.Millisecond
	return l, err
}

// wholeMillis rounds up to the milliseconds that the table keeps: a lease may not be shorter than
// its holder believes.
func wholeMillis(d time.Duration) int64 {
	return (d + time.Millisecond - 1).Milliseconds()
}
