package supervise

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"velador/internal/collector"
)

func TestLastLineOfALogIsReducedToItsWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines    string
		panicked bool
		want     string
	}{
		{"", false, ""},
		{"one\nno route to host\n\n", false, "no route to host"},
		{`time=2026-11-24T03:00:00.000Z level=ERROR msg="the exchange refuses us" error="HTTP 418: \"banned\"" id=7`, false, `the exchange refuses us: HTTP 418: "banned"`},
		{`time=2026-11-24T03:00:00.000Z level=INFO msg=ended`, false, "ended"},
		{`time=2026-11-24T03:00:00.000Z level=INFO msg="half a li`, false, `"half`},
		{`time=noon`, false, `time=noon`},
		{"it cost x=7 and msg=nothing", false, "it cost x=7 and msg=nothing"},
		{"panic: index out of range [7]\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:7 +0x1d", true, "panic: index out of range [7]"},
		{"panic: of a former life\ngoroutine 1\nended well", false, "ended well"},
		{"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1", true, "fatal error: all goroutines are asleep - deadlock!"},
		{"exit 2 without a panic", true, "exit 2 without a panic"},
	} {
		if got := wordsOfLog(strings.Split(c.lines, "\n"), c.panicked); got != c.want {
			t.Errorf("%q: %q instead of %q", c.lines, got, c.want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add(`time=2026-11-24T03:00:00.000Z level=ERROR msg="a \"b\"" error=c d="`)
	f.Add(`level=INFO msg=`)
	f.Add(`time==="=`)
	f.Fuzz(func(t *testing.T, line string) {
		if got := plain(line); got == "" && line != "" {
			t.Errorf("%q has no words", line)
		}
	})
}

func TestDiaryKeepsWhatTheDatabaseDoesNotTakeYet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	row, err := s.registry.CreateCollector(within(t), collector.Record{Spec: spec("QUIET")})
	if err != nil {
		t.Fatal(err)
	}
	d := newDiary(s.flakyDB(), s.log)
	d.room = 20
	s.registry.setAway(true)
	d.note(collector.Life{CollectorID: row.ID, RunID: "first"})
	if err := d.save(within(t)); err == nil {
		t.Fatal("the database is not away")
	}
	for range d.room {
		d.note(collector.Life{CollectorID: row.ID, RunID: "another"})
	}
	d.note(collector.Life{CollectorID: row.ID, RunID: "last"})
	d.note(collector.Life{CollectorID: row.ID}) // of no run
	if len(d.waiting) != d.room || d.lost != 2 {
		t.Errorf("%d wait and %d are lost", len(d.waiting), d.lost)
	}
	s.registry.setAway(false)
	if err := d.save(within(t)); err != nil {
		t.Fatal(err)
	}
	lives, err := s.db.Lives(within(t), row.ID, 10)
	if err != nil || len(lives) != 2 || lives[0].RunID != "last" || len(d.waiting) != 0 {
		t.Errorf("%+v, %v", lives, err)
	}
}

func TestDiaryStaysBoundedWhileLivesEndDuringItsAttempts(t *testing.T) {
	t.Parallel()
	hanging := &hangingLives{begun: make(chan struct{}), end: make(chan struct{})}
	d := newDiary(hanging, slog.New(slog.DiscardHandler))
	note := func(n int) {
		for range n {
			d.note(collector.Life{CollectorID: 1, RunID: "run"})
		}
	}
	note(d.room)
	failed := make(chan error, 1)
	go func() { failed <- d.save(within(t)) }()
	<-hanging.begun
	note(10) // while the database hangs over those before
	close(hanging.end)
	if err := <-failed; err == nil {
		t.Fatal("the database is not away")
	}
	note(10)
	if len(d.waiting) != d.room || d.lost != 20 {
		t.Errorf("%d wait and %d are lost", len(d.waiting), d.lost)
	}
}

// hangingLives hangs until end is closed, and fails then.
type hangingLives struct{ begun, end chan struct{} }

func (h *hangingLives) Lives(context.Context, int64, int) ([]collector.Life, error) { return nil, nil }

func (h *hangingLives) SaveLife(context.Context, collector.Life) error {
	close(h.begun)
	<-h.end
	return errors.New("away")
}
