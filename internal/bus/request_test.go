package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/problem"
)

// serveInBackground runs a serving call until the test ends, and waits for it.
func serveInBackground(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func TestCommandsRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	const agent, n = "host.one/data dir", 10
	if _, err := c.Command(ctx, agent, nil); !errors.Is(err, ErrNoAgent) {
		t.Errorf("a command to nobody: %v", err)
	}
	var together sync.WaitGroup
	together.Add(n) // all must be under way before the first is answered
	stop := serveInBackground(t, func(ctx context.Context) error {
		return c.ServeCommands(ctx, agent, func(_ context.Context, payload []byte) []byte {
			together.Done()
			together.Wait()
			return append([]byte("did "), payload...)
		})
	})
	asker := connectTest(t, ClientConfig{File: s.File()})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			answer, err := asker.Command(ctx, agent, fmt.Append(nil, i))
			for errors.Is(err, ErrNoAgent) { // it has just been started
				answer, err = asker.Command(ctx, agent, fmt.Append(nil, i))
			}
			if err != nil || string(answer) != fmt.Sprint("did ", i) {
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
	all.Wait()
	stop()
	if _, err := asker.Command(ctx, agent, nil); !errors.Is(err, ErrNoAgent) {
		t.Errorf("a command to one who has left: %v", err)
	}
}

func TestResumeWaitsForSomeoneToAnswerAndAsksInPortions(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	var series []candle.Series
	for i := range 450 {
		series = append(series, candle.Series{Exchange: "binance", Symbol: fmt.Sprintf("S%dUSDT", i), Timeframe: candle.Minute1})
	}
	log := newRecorder(t)
	asker := connectTest(t, ClientConfig{File: s.File(), Logger: logTo(log)})
	type result struct {
		found []candle.Resume
		err   error
	}
	done := make(chan result)
	go func() {
		found, err := asker.Resume(ctx, series)
		done <- result{found, err}
	}()
	log.await(ctx, "not known yet what is stored")
	broken := true
	serveInBackground(t, func(ctx context.Context) error {
		return c.ServeResume(ctx, func(_ context.Context, asked []candle.Series) ([]candle.Resume, error) {
			if broken { // one request at a time comes in
				broken = false
				return nil, problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "The database is away.")
			}
			found := make([]candle.Resume, len(asked))
			for i, s := range asked {
				found[i] = candle.Resume{Series: s, ConfirmedTo: candle.Millis(i), Ledger: []candle.Gap{
					{Series: s, Range: candle.Range{From: 1, To: 2}, State: candle.GapAbsent, Proofs: 3, CheckedAt: candle.Millis(i)},
				}}
				if s.Symbol != "S3USDT" {
					found[i].Last, found[i].HasLast = candle.Millis(len(s.Symbol)), true
				}
				if i%4 != 0 {
					continue
				}
				// So much that few series fit into an answer.
				for n := range maxResumeMissing + 1 {
					found[i].Missing = append(found[i].Missing, candle.Range{From: candle.Millis(n), To: candle.Millis(1_700_000_000_000 + n)})
				}
			}
			return found, nil
		})
	})
	got := <-done
	if got.err != nil || len(got.found) != len(series) {
		t.Fatalf("got %d answers: %v", len(got.found), got.err)
	}
	for i, r := range got.found {
		if len(r.Ledger) != 1 || r.Ledger[0].Series != r.Series || r.ConfirmedTo != r.Ledger[0].CheckedAt || r.Ledger[0].Proofs != 3 {
			t.Errorf("series %d is confirmed to %d, its ledger %+v", i, r.ConfirmedTo, r.Ledger)
		}
		if r.Series != series[i] || r.HasLast != (i != 3) || len(r.Missing) != 0 && (len(r.Missing) != maxResumeMissing || r.Missing[7] != candle.Range{From: 7, To: 1_700_000_000_007}) {
			t.Fatalf("answer %d is %+v", i, r.Series)
		}
	}
}

func TestResumeIsAnsweredAfterWhatWaitsInTheStreamIsWritten(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	p := newTestPublisher(t, c, PublisherConfig{})
	for i := range 10 {
		if err := p.Candle(ctx, testSeries, testCandle(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	serveInBackground(t, func(ctx context.Context) error {
		return c.ServeResume(ctx, func(ctx context.Context, asked []candle.Series) ([]candle.Resume, error) {
			waiting, err := c.Backlog(ctx)
			return []candle.Resume{{Last: candle.Millis(waiting), HasLast: true}}, err
		})
	})
	done := make(chan error)
	go func() {
		found, err := c.Resume(ctx, []candle.Series{testSeries})
		if err == nil && found[0].Last != 0 {
			err = fmt.Errorf("answered with %d candles unwritten", found[0].Last)
		}
		done <- err
	}()
	consumer := newTestConsumer(t, c)
	for left := 10; left > 0; {
		select {
		case err := <-done:
			t.Fatalf("the answer did not wait: %v", err)
		default:
		}
		batch, err := consumer.Fetch(ctx, 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := consumer.Commit(ctx, batch); err != nil {
			t.Fatal(err)
		}
		left -= len(batch)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestResumeTellsOfErrorsAndOfItsEnd(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	if _, err := c.Resume(ctx, []candle.Series{{}}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a series that is none: %v", err)
	}
	short, cancel := contextOf(t, 50*time.Millisecond)
	defer cancel()
	if _, err := c.Resume(short, []candle.Series{testSeries}); problem.CodeOf(err) != problem.CodeBusUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody answers: %v", err)
	}
	serveInBackground(t, func(ctx context.Context) error {
		return c.ServeResume(ctx, func(context.Context, []candle.Series) ([]candle.Resume, error) {
			return nil, errors.New("a defect")
		})
	})
	if _, err := c.Resume(ctx, []candle.Series{testSeries}); err == nil || err.Error() != "a defect" {
		t.Errorf("got %v", err)
	}
	for _, request := range []string{"", "{}", `{"series":[{"Exchange":"binance","Symbol":"*","Timeframe":"1m"}]}`, `{"series":[{"Timeframe":"7m"}]}`} {
		if _, err := decodeResumeRequest([]byte(request)); problem.KindOf(err) != problem.Invalid {
			t.Errorf("the request %q: %v", request, err)
		}
	}
}

func FuzzResume(f *testing.F) {
	f.Add([]byte(`{"resumes":[{"last":5,"missing":[[1,2],[3,4]]}]}`))
	f.Add([]byte(`{"resumes":[{"last":5,"confirmed_to":4,"ledger":[{"from":1,"to":2,"state":"absent","proofs":3,"checked_at":9}]}]}`))
	f.Add([]byte(`{"error":{"kind":4,"code":"database_unavailable","text":"away"}}`))
	f.Add([]byte(`{"series":[{"Exchange":"binance","Symbol":"ETHUSDT","Timeframe":"1m"}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if series, err := decodeResumeRequest(payload); err == nil && (len(series) == 0 || len(series) > maxResumeSeries) {
			t.Errorf("a request for %d series", len(series))
		}
		asked := []candle.Series{testSeries, testSeries}
		found, err := decodeResumes(payload, asked)
		if err != nil {
			return
		}
		again, err := decodeResumes(encodeResumes(found), asked)
		if err != nil || len(again) != len(found) {
			t.Fatalf("%+v came back as %+v: %v", found, again, err)
		}
		for i := range found {
			known := found[i].Ledger[:min(len(found[i].Ledger), maxResumeLedger)]
			if again[i].ConfirmedTo != found[i].ConfirmedTo || !slices.Equal(again[i].Ledger, known) {
				t.Errorf("%+v came back as %+v", found[i], again[i])
			}
		}
	})
}
