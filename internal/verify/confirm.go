package verify

import (
	"context"

	"velador/internal/candle"
	"velador/internal/store"
)

// confirmation gathers what was read until the store can confirm it: an audit counts only where it
// touches what is confirmed of the series already (see store.Candles.Write), and a verification may
// begin long before that.
type confirmation struct {
	known *candle.Range // of the series; nil when nothing is
	read  candle.Range  // and not yet confirmed; empty when there is nothing
	rows  int           // that the venue has in it
	asOf  candle.Millis // the venue's clock
	alone bool          // the store did not take an audit that should have fitted
}

// next takes what the venue has of the stretch that follows, up to its newest row there: what it lacks
// at the end may come late. It gives the audit to write, nil for none yet.
func (c *confirmation) next(both sides) *candle.Audit {
	if n := len(both.served); n > 0 {
		c.read.To = both.served[n-1].OpenTime
		c.rows, c.asOf = c.rows+n, both.asOf
	}
	if c.alone || c.known != nil && (c.read.To < c.known.From-1 || c.read.From > c.known.To+1) {
		return nil
	}
	return c.audit()
}

// audit says all that was read and is not confirmed, nil for nothing.
func (c *confirmation) audit() *candle.Audit {
	if c.rows == 0 {
		return nil
	}
	return &candle.Audit{Range: c.read, Rows: c.rows, At: c.asOf}
}

// wrote takes what the store said to an audit.
func (c *confirmation) wrote(written store.Written) {
	if len(written.Unconfirmed) > 0 {
		c.alone = true
		return
	}
	r := c.read
	if c.known != nil {
		r = candle.Range{From: min(r.From, c.known.From), To: max(r.To, c.known.To)}
	}
	c.known = &r
	c.read.From, c.rows = c.read.To+1, 0
}

// write stores corrections and, where there is one, an audit.
func (x *run) write(ctx context.Context, entries []store.Entry, audit *candle.Audit) error {
	if audit != nil {
		audit.Series = x.plan.Series
		entries = append(entries, store.Entry{Series: x.plan.Series, Audit: audit})
	}
	if len(entries) == 0 {
		return nil
	}
	written, err := x.Candles.Write(ctx, entries)
	if err == nil && audit != nil {
		x.confirmation.wrote(written)
	}
	return err
}

// confirmRest offers what is left at the end once more: what is confirmed may have grown towards it
// meanwhile.
func (x *run) confirmRest(ctx context.Context) error {
	if x.plan.DryRun || x.confirmation.rows == 0 {
		return nil
	}
	return x.write(ctx, nil, x.confirmation.audit())
}
