package ingest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"velador/internal/store"
)

// How a turn is kept. A holder that could not renew its lease for turnDoubt stops writing, and its batch
// under way ends within DefaultGrace: before the lease runs out for the others.
const (
	turnTTL   = 30 * time.Second
	turnRenew = 5 * time.Second
	turnDoubt = 15 * time.Second
	// turnSettle is how long one who took a free lease waits before it writes: of two who took it at the
	// same moment the first one has lost it by then.
	turnSettle = time.Second
	turnLook   = time.Second // between two looks whether the turn is free
)

// Leases is what a Turn needs of store.Leases.
type Leases interface {
	AcquireLease(ctx context.Context, instance, host string, ttl time.Duration) (store.Lease, error)
	RenewLease(ctx context.Context, l store.Lease, ttl time.Duration) (store.Lease, error)
	ReleaseLease(ctx context.Context, l store.Lease) error
	FenceLease(ctx context.Context, instance string) (remaining time.Duration, err error)
	Leases(ctx context.Context) ([]store.Lease, error)
}

// Turn has one of several servers on one bus write at a time. Messages keep their order for one writer only:
// of two, one could store an audit before the other one has stored its candles, or an older form of a candle
// behind its correction.
type Turn struct {
	Leases Leases // in the database that all of them write to
	Name   string // of the bus, the same for all
	Holder string // this installation, of which one process runs
	Logger *slog.Logger

	held atomic.Bool
}

// Held tells whether it is this server's turn.
func (t *Turn) Held() bool { return t.held.Load() }

// Run calls write whenever it is this server's turn, with a context that ends with the turn. It returns
// when ctx ends, or with write's error.
func (t *Turn) Run(ctx context.Context, write func(ctx context.Context) error) error {
	for {
		lease, ok := t.take(ctx)
		if !ok {
			return nil
		}
		if err := t.hold(ctx, lease, write); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// take waits for the turn; false when ctx has ended.
func (t *Turn) take(ctx context.Context) (lease store.Lease, ok bool) {
	told := ""
	for ctx.Err() == nil {
		lease, other, err := t.try(ctx)
		if err == nil && other == "" {
			return lease, ctx.Err() == nil
		}
		if trouble := cmp.Or(other, "trouble"); ctx.Err() == nil && trouble != told {
			told = trouble
			if err != nil {
				t.Logger.Warn("the database does not say whose turn it is to write; candles wait on the bus", "error", err)
			} else {
				t.Logger.Info("another server on this bus writes to the database; this one does when that one ends", "holder", other)
			}
		}
		pauseFor(ctx, turnLook)
	}
	return lease, false
}

// try takes the turn if it is free, or this installation's from a former life; other is who has it.
func (t *Turn) try(ctx context.Context) (lease store.Lease, other string, err error) {
	ctx, cancel := context.WithTimeout(ctx, turnRenew+turnSettle)
	defer cancel()
	all, err := t.Leases.Leases(ctx)
	if err != nil {
		return lease, "", err
	}
	for _, l := range all {
		if l.Instance == t.Name && l.Host == t.Holder {
			lease, err = t.Leases.AcquireLease(ctx, t.Name, t.Holder, turnTTL)
			return lease, "", err
		}
		if l.Instance == t.Name {
			other = l.Host
		}
	}
	switch remaining, err := t.Leases.FenceLease(ctx, t.Name); {
	case err != nil:
		return lease, "", err
	case remaining > 0:
		return lease, cmp.Or(other, "unknown"), nil
	}
	if lease, err = t.Leases.AcquireLease(ctx, t.Name, t.Holder, turnTTL); err != nil {
		return lease, "", err
	}
	pauseFor(ctx, turnSettle)
	lease, err = t.Leases.RenewLease(ctx, lease, turnTTL)
	if errors.Is(err, store.ErrLeaseLost) {
		return lease, "one that came at the same moment", nil
	}
	return lease, "", err
}

// hold writes for as long as the lease can be renewed, and gives it back. The error is write's.
func (t *Turn) hold(ctx context.Context, lease store.Lease, write func(ctx context.Context) error) error {
	writing, stop := context.WithCancel(ctx)
	defer stop()
	t.held.Store(true)
	ended := make(chan error, 1)
	go func() { ended <- write(writing) }()
	renewed := time.Now()
	ticker := time.NewTicker(turnRenew)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			t.held.Store(false)
			giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnRenew)
			defer cancel()
			if err := t.Leases.ReleaseLease(giving, lease); err != nil {
				t.Logger.Debug("the turn could not be given back; it runs out by itself", "error", err)
			}
			return err
		case <-ticker.C:
		}
		if writing.Err() != nil {
			continue // the batch under way is about to end
		}
		asking, cancel := context.WithTimeout(ctx, turnRenew)
		next, err := t.Leases.RenewLease(asking, lease, turnTTL)
		cancel()
		switch {
		case err == nil:
			lease, renewed = next, time.Now()
		case errors.Is(err, store.ErrLeaseLost), time.Since(renewed) >= turnDoubt:
			if ctx.Err() == nil {
				t.Logger.Warn("it may be another server's turn to write by now; this one stops until it is its own again", "error", err)
			}
			stop()
		}
	}
}

// pauseFor waits for d, or until ctx ends.
func pauseFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
