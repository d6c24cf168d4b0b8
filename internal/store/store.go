// Package store is the contract of the database: the registry of collectors, the candles of each
// series and the ledger of gaps. storetest holds what every implementation must pass; postgres and
// sqlite implement it. Rules do not live in the store: it keeps rows and says what it kept.
//
// Errors that come from the database being away carry problem.Unavailable with
// problem.CodeDatabaseUnavailable.
package store

import (
	"context"
	"errors"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
)

// Errors of the registry, to be told with errors.Is.
var (
	// ErrNotFound tells that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrConflict tells that somebody else has changed the row since it was read: read it again.
	ErrConflict = errors.New("the row has changed since it was read")
	// ErrLeaseLost tells that a lease is not its holder's any more.
	ErrLeaseLost = errors.New("the lease is lost")
)

// Store is a database. All methods are safe for concurrent use.
type Store interface {
	Registry
	Versions
	Lives
	Leases
	Candles
	Browser
	Stocktaker
	Migrator
	// Ping tells whether the database answers.
	Ping(ctx context.Context) error
	// Close releases every connection; it waits for calls under way.
	Close() error
}

// ExistsError tells that another collector of the same key is wanted already.
type ExistsError struct{ Record collector.Record }

// Error names the one that exists.
func (e *ExistsError) Error() string {
	return "a collector of " + e.Record.Spec.Key() + " is running already"
}

// Registry keeps the rows of the table collectors (DESIGN section 7).
type Registry interface {
	// CreateCollector stores a new record with Wanted true and Status running, before its process
	// exists (its PID is 0), and gives it an ID. If a wanted record of the same Spec.Key exists, the
	// error is an *ExistsError: of any number of racing calls exactly one succeeds.
	CreateCollector(ctx context.Context, r collector.Record) (collector.Record, error)
	// UpdateCollector stores all of a record but its ID and Spec, if the stored one has r.Revision
	// still; its revision is one more then. ErrConflict when it has not, ErrNotFound when there is none.
	// A change by another program, or by hand, is a new revision too.
	UpdateCollector(ctx context.Context, r collector.Record) error
	// CollectorByID gives one record, or ErrNotFound.
	CollectorByID(ctx context.Context, id int64) (collector.Record, error)
	// CollectorsByPID gives the records with this PID that are not stopped, newest first. PIDs are
	// unique on one host only.
	CollectorsByPID(ctx context.Context, pid int) ([]collector.Record, error)
	// Collectors lists the records with one of the statuses (all when none is named), oldest first.
	Collectors(ctx context.Context, statuses ...collector.Status) ([]collector.Record, error)
	// DeleteStoppedCollectors removes the records that stopped before a time and tells how many.
	DeleteStoppedCollectors(ctx context.Context, before time.Time) (int64, error)
}

// Versions tell whether anything has changed, for the price of one number.
type Versions interface {
	// RegistryVersion grows with every committed change of a record, by whatever process. It is read
	// in well below a millisecond.
	RegistryVersion(ctx context.Context) (int64, error)
}

// Lives keeps how the lives of collectors' processes ended. They go with their record.
type Lives interface {
	// SaveLife stores a life that has ended. It is idempotent by CollectorID and RunID: what was saved
	// first stays. A life of a record that is gone is dropped without an error. The newest MaxLives of
	// a record are kept.
	SaveLife(ctx context.Context, l collector.Life) error
	// Lives gives the newest lives of a record, at most limit, newest first: in the order in which
	// they were saved, whatever the clocks did.
	Lives(ctx context.Context, id int64, limit int) ([]collector.Life, error)
}

// Lease says that an installation of velador is alive: while it runs, the rows of its Instance are
// its own, and nobody else starts their collectors. All times are the database's: clocks of machines
// differ.
type Lease struct {
	Instance  string
	Host      string        // for people
	Epoch     int64         // grows each time the lease is acquired or fenced
	Remaining time.Duration // at the moment of the call; 0 when it has run out
}

// Leases keeps the leases of the installations.
type Leases interface {
	// AcquireLease begins a new epoch of an instance's lease, whatever was before: that one process
	// only runs an instance is sure already, by the lock of its data directory.
	AcquireLease(ctx context.Context, instance, host string, ttl time.Duration) (Lease, error)
	// RenewLease lets it run for ttl from now on. ErrLeaseLost when its epoch is over, which it is
	// once somebody has fenced or released it.
	RenewLease(ctx context.Context, l Lease, ttl time.Duration) (Lease, error)
	// ReleaseLease ends it at once. It is no error when it was over before.
	ReleaseLease(ctx context.Context, l Lease) error
	// FenceLease ends the epoch of an instance whose lease has run out, so that its holder cannot
	// renew it, and gives 0; of one whose lease runs it gives how long, and changes nothing. An
	// instance without a lease is fenced already.
	FenceLease(ctx context.Context, instance string) (remaining time.Duration, err error)
	// Leases lists all, by instance. Those that ran out more than LeaseMemory ago are removed now and
	// then; an epoch is never given twice all the same.
	Leases(ctx context.Context) ([]Lease, error)
}

// Entry is one thing that the writer brings: a candle of a series, a gap or an audit (exactly one of
// them).
type Entry struct {
	Series candle.Series
	Candle candle.Candle
	Gap    *candle.Gap   // nil for a candle
	Audit  *candle.Audit // nil for a candle
	// Verified tells that the candle was read from the venue's history just now, so that it may replace
	// one that is confirmed. What came over the bus may be older than the confirmation.
	Verified bool
}

// Written counts what a Write did, by candle, and what its audits found.
type Written struct {
	New     int // was not stored before
	Same    int // was stored with the same values
	Changed int // was stored with other values, which are replaced
	Kept    int // was stored with other values, which are confirmed and stay
	// Changes are the first MaxChanges of those that were changed, and Keeps of those that were kept, by
	// series and open time.
	Changes, Keeps []Change

	Confirmed int // audits that confirmed something
	// Vanished are candles that are stored and that the venue, by an audit which confirmed something, no
	// longer has. They stay: what was traded was traded.
	Vanished int
	// Unconfirmed are audits whose candles are not all stored, or which leave something out between
	// them and what is confirmed, each by its series. They change nothing.
	Unconfirmed []candle.Series
}

// Audited counts an audit of which so many candles were stored. moved tells that it confirmed something,
// known that all of it had been confirmed before.
func (w *Written) Audited(a candle.Audit, stored int64, moved, known bool) {
	switch {
	case moved:
		w.Confirmed++
		w.Vanished += max(0, int(stored)-a.Rows)
	case !known:
		w.Unconfirmed = append(w.Unconfirmed, a.Series)
	}
}

// MaxChanges bounds Written.Changes and Written.Keeps.
const MaxChanges = 20

// Change is a stored candle that was replaced, or was to be.
type Change struct {
	Series   candle.Series
	Old, New candle.Candle
}

// Query selects stored candles of one series.
type Query struct {
	Series     candle.Series
	Range      candle.Range // on open time, both ends included; the zero Range means all
	Limit      int          // 0: no limit
	Descending bool         // newest first
}

// Coverage says how complete a stretch of a series is.
type Coverage struct {
	First, Last candle.Millis // open times of the oldest and the newest stored candle in the range
	Present     int64         // stored candles in the range
	Gaps        []candle.Gap  // of the ledger, touching the range, oldest first
	// Confirmed holds the open times between which the series is confirmed (see candle.Audit), inside of
	// the range and outside; nil when nothing is. Candles beyond it are provisional.
	Confirmed *candle.Range
}

// Candles keeps candles and gaps.
type Candles interface {
	// Write stores a batch in one transaction, in the order of the entries: a later entry of the
	// same key wins. When it returns without error the batch is durable. It is idempotent. A gap
	// replaces the ledger's row of the same Series and Range.From; what becomes of a gap is decided
	// by who sends it, not here, with one exception: a row that is repaired, in a timeframe that is
	// Anchored, is not replaced by one that calls missing what is all stored.
	//
	// An audit confirms its range if at least Rows candles of it are stored, and if the range touches or
	// overlaps what is confirmed of the series already, where something is. A candle that is stored and
	// confirmed is replaced by one that is Verified only: others may have waited somewhere since before
	// the audit. Those of the audit's batch count before it, but for those behind it that it covers.
	Write(ctx context.Context, entries []Entry) (Written, error)
	// Resume tells where to take up a series. Missing lists the stretches without candles between
	// the oldest and the newest stored one, less those the ledger knows as absent, and the open gaps of
	// the ledger that begin before the newest one; for timeframes that are not Anchored those alone. It
	// looks back over at most lookBack candles, for ConfirmedTo too where nothing is confirmed; the open
	// gaps are wherever they are. Of the Ledger it gives at most MaxLedger gaps in each state, for absent
	// ones wherever they are.
	Resume(ctx context.Context, series candle.Series, lookBack int) (candle.Resume, error)
	// EachCandle calls yield for each candle of the query, in order, while reading; it stops at the
	// first error, which it returns. A series that is not known has no candles.
	EachCandle(ctx context.Context, q Query, yield func(candle.Candle) error) error
	// Coverage counts a stretch of a series.
	Coverage(ctx context.Context, series candle.Series, r candle.Range) (Coverage, error)
	// Days counts a stretch of a series day by day, oldest first, as of one moment; the zero Range means
	// all. There is a Day for each UTC day from the first open time that is stored or known as missing
	// to the last, and for timeframes that are not Anchored for each day on which a candle opens, or
	// should. Of a gap in the ledger that is repaired or absent, what is stored decides.
	// The caller bounds how many days that can be.
	Days(ctx context.Context, series candle.Series, r candle.Range) ([]Day, error)
	// Series lists the series that have candles or gaps, by exchange, symbol, timeframe.
	Series(ctx context.Context) ([]candle.Series, error)
}

// MaxLedger bounds how many gaps of a state candle.Resume.Ledger holds.
const MaxLedger = 64

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
	Applied time.Time // zero while pending
}

// Migrator brings the schema up to date.
type Migrator interface {
	// Migrate applies what is pending and lists it.
	Migrate(ctx context.Context) ([]Migration, error)
	// Migrations lists all steps, oldest first.
	Migrations(ctx context.Context) ([]Migration, error)
}
