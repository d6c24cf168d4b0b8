package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/store"
)

// registry opens a database with its tables.
func registry(t *testing.T) *Store {
	t.Helper()
	s := opened(t, filepath.Join(t.TempDir(), "velador.db"))
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// occupied takes the writing connection, so that all changes wait until it is given back.
func occupied(t *testing.T, s *Store) (giveBack func()) {
	t.Helper()
	conn, err := s.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// queued has a change wait, and gives a way to hear what came of it.
func queued(ctx context.Context, s *Store, do func(context.Context, *sql.Tx) error) (ended func() error) {
	c := &change{ctx: ctx, do: do, done: make(chan struct{})}
	s.changes.join(c)
	return func() error {
		<-c.done
		return c.err
	}
}

// create stores a collector of a symbol.
func create(symbol string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO collectors (symbol, timeframe, wanted) VALUES (?1, '1m', 1)", symbol)
		return err
	}
}

func symbols(t *testing.T, s *Store) (list []string) {
	t.Helper()
	rows, err := s.Collectors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		list = append(list, r.Spec.Selector)
	}
	return list
}

// TestChangesThatWaitTogetherShareTransactions: what a reader sees while each of them is done tells
// how many of the others have been committed.
func TestChangesThatWaitTogetherShareTransactions(t *testing.T) {
	t.Parallel()
	s := registry(t)
	giveBack := occupied(t, s)
	var seen [2*groupSize + 1]int
	var ended []func() error
	for i := range seen {
		ended = append(ended, queued(t.Context(), s, func(ctx context.Context, tx *sql.Tx) error {
			if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM collectors").Scan(&seen[i]); err != nil {
				return err
			}
			return create(strconv.Itoa(i))(ctx, tx)
		}))
	}
	giveBack()
	for i, end := range ended {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if want := i / groupSize * groupSize; seen[i] != want {
			t.Errorf("change %d began with %d stored, not %d", i, seen[i], want)
		}
	}
	if n := len(symbols(t, s)); n != len(seen) {
		t.Errorf("%d are stored", n)
	}
}

func TestAChangeThatFailsIsTakenBackAlone(t *testing.T) {
	t.Parallel()
	s := registry(t)
	giveBack := occupied(t, s)
	wrong := errors.New("wrong")
	first := queued(t.Context(), s, create("FIRST"))
	failing := queued(t.Context(), s, func(ctx context.Context, tx *sql.Tx) error {
		return errors.Join(create("FAILING")(ctx, tx), wrong)
	})
	twin := queued(t.Context(), s, create("FIRST"))
	last := queued(t.Context(), s, create("LAST"))
	giveBack()
	if err := errors.Join(first(), last()); err != nil {
		t.Error(err)
	}
	if err := failing(); !errors.Is(err, wrong) {
		t.Errorf("the failing one: %v", err)
	}
	if err := twin(); extended(err) != codeConstraintUnique {
		t.Errorf("the second of a key: %v", err)
	}
	alone := s.change(t.Context(), "store", func(ctx context.Context, tx *sql.Tx) error {
		return errors.Join(create("ALONE")(ctx, tx), wrong)
	})
	if !errors.Is(alone, wrong) {
		t.Errorf("one that fails alone: %v", alone)
	}
	if list := symbols(t, s); !slices.Equal(list, []string{"FIRST", "LAST"}) {
		t.Errorf("stored are %q", list)
	}
}

// TestACommitThatFailsIsAnErrorForAllOfItsGroup: also for the one whose answer came from a row that
// is not stored now.
func TestACommitThatFailsIsAnErrorForAllOfItsGroup(t *testing.T) {
	t.Parallel()
	s := registry(t)
	for name, spoil := range map[string]string{
		"at the commit":                     "PRAGMA defer_foreign_keys = ON; INSERT INTO lives VALUES (1, 99, 'r', 1, 'h', NULL, NULL, 0, 0, 0, '')",
		"when SQLite takes back everything": "ROLLBACK; SELECT no_such_column FROM collectors",
	} {
		giveBack := occupied(t, s)
		ended := []func() error{
			queued(t.Context(), s, create("A")),
			queued(t.Context(), s, create("A")),
			queued(t.Context(), s, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, spoil)
				return err
			}),
			queued(t.Context(), s, create("B")),
		}
		giveBack()
		var text string
		for i, end := range ended {
			err := end()
			if err == nil || extended(err) == codeConstraintUnique {
				t.Fatalf("%s: change %d ends with %v", name, i, err)
			}
			if text == "" {
				text = err.Error()
			}
			if err.Error() != text {
				t.Errorf("%s: change %d ends with %v, another one with %s", name, i, err, text)
			}
		}
		if list := symbols(t, s); len(list) != 0 {
			t.Errorf("%s: stored are %q", name, list)
		}
		if err := s.change(t.Context(), "store", create("LATER")); err != nil {
			t.Errorf("%s: the next change: %v", name, err)
		}
		if err := s.change(t.Context(), "remove", func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM collectors")
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChangesOnAFullDiskAreUnavailableAndStoreNothingThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	s := registry(t)
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var stored []string
	var full int
	var creating sync.WaitGroup
	for i := range 100 {
		creating.Go(func() {
			r, err := s.CreateCollector(t.Context(), collector.Record{
				Spec: collector.Spec{Exchange: "binance", Selector: "S" + strconv.Itoa(i)}, LastError: strings.Repeat("x", 4000),
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				stored = append(stored, r.Spec.Selector)
			case problem.CodeOf(err) == problem.CodeDatabaseUnavailable && strings.Contains(err.Error(), "full"):
				full++
			default:
				t.Error(err)
			}
		})
	}
	creating.Wait()
	list := symbols(t, s)
	slices.Sort(list)
	slices.Sort(stored)
	if !slices.Equal(list, stored) || full == 0 {
		t.Errorf("answered as stored are %q, stored are %q; %d heard of the full disk", stored, list, full)
	}
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateCollector(t.Context(), collector.Record{Spec: collector.Spec{Exchange: "binance", Selector: "ROOM"}}); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// TestWhoGivesUpWaitingIsAnsweredAtOnce, with the connection taken all the while; and when all have
// gone nobody waits for it any more.
func TestWhoGivesUpWaitingIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	s := registry(t)
	giveBack := occupied(t, s)
	ctx, giveUp := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			if err := s.change(ctx, "store", create("GONE")); !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up hears %v", err)
			}
		})
	}
	giveUp()
	waiting.Wait()
	s.changes.wait()
	// Who comes between those who gave up and the end of their wait is not taken for one of them.
	for range 20 {
		ctx, giveUp := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- s.change(ctx, "store", create("GONE")) }()
		giveUp()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up hears %v", err)
		}
	}
	stays := queued(t.Context(), s, create("STAYS"))
	giveBack()
	if err := stays(); err != nil {
		t.Error(err)
	}
	if list := symbols(t, s); !slices.Equal(list, []string{"STAYS"}) {
		t.Errorf("stored are %q", list)
	}
}

func TestWhoGivesUpMidwayIsNotToldThatItWasDone(t *testing.T) {
	t.Parallel()
	s := registry(t)
	giveBack := occupied(t, s)
	ctx, giveUp := context.WithCancel(t.Context())
	before := queued(t.Context(), s, create("BEFORE"))
	gone := queued(ctx, s, func(steady context.Context, tx *sql.Tx) error {
		giveUp()
		return create("GONE")(steady, tx)
	})
	late := queued(ctx, s, create("LATE"))
	after := queued(t.Context(), s, create("AFTER"))
	giveBack()
	if err := errors.Join(before(), after()); err != nil {
		t.Error(err)
	}
	for _, end := range []func() error{gone, late} {
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up hears %v", err)
		}
	}
	if list := symbols(t, s); !slices.Equal(list, []string{"BEFORE", "AFTER"}) {
		t.Errorf("stored are %q", list)
	}
}

// TestCandlesAndChangesTakeTurns: neither comes to its end before the other one, however many of it
// wait.
func TestCandlesAndChangesTakeTurns(t *testing.T) {
	t.Parallel()
	s := registry(t)
	const turns = 20
	ctx, over := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	defer busy.Wait()
	defer over()
	batches, changes := make(chan struct{}), make(chan struct{})
	said := func(done chan<- struct{}) {
		select {
		case done <- struct{}{}:
		default:
		}
	}
	for range 2 {
		busy.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.Write(t.Context(), []store.Entry{upgradeCandle()}); err != nil {
					t.Error(err)
					return
				}
				said(batches)
			}
		})
	}
	for i := range 2 * groupSize {
		busy.Go(func() {
			for ctx.Err() == nil {
				if err := s.SaveLife(t.Context(), collector.Life{CollectorID: int64(i)}); err != nil {
					t.Error(err)
					return
				}
				said(changes)
			}
		})
	}
	bound, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range turns {
		for _, done := range []chan struct{}{batches, changes} {
			select {
			case <-done:
			case <-bound.Done():
				t.Fatal("one keeps the other from its turn")
			}
		}
	}
}
