package bus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"velador/internal/candle"
	"velador/internal/problem"
)

func TestCandlesAndGapsArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	p := newTestPublisher(t, c, PublisherConfig{})
	odd := candle.Series{Exchange: "bybit", Symbol: "1000ПЕПЕ.币安/USDT:USDT", Timeframe: candle.Month1}
	bare := testCandle(2)
	bare.QuoteVolume, bare.TakerBuyVolume = candle.Decimal{}, candle.Decimal{}
	gap := candle.Gap{Series: odd, Range: candle.Range{From: 60_000, To: 180_000}, State: candle.GapAbsent, Proofs: 2, CheckedAt: 240_000}
	err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Candle(ctx, odd, bare), p.Gap(ctx, gap), p.Flush(ctx))
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Unacknowledged(); n != 0 {
		t.Errorf("%d messages are unacknowledged after a flush", n)
	}
	consumer := newTestConsumer(t, c)
	batch, err := consumer.Fetch(ctx, 10)
	if err != nil || len(batch) != 3 {
		t.Fatalf("fetched %d messages: %v", len(batch), err)
	}
	if d := batch[0]; d.Err != nil || d.Series != testSeries || d.Candle != testCandle(1) || d.Pending != 2 || d.Attempt != 1 {
		t.Errorf("got %+v", d)
	}
	if d := batch[1]; d.Err != nil || d.Series != odd || d.Candle != bare || d.Gap != nil {
		t.Errorf("got %+v", d)
	}
	if d := batch[2]; d.Err != nil || d.Gap == nil || *d.Gap != gap {
		t.Errorf("got %+v", d)
	}
	if err := consumer.Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Backlog(ctx); n != 0 || err != nil {
		t.Errorf("%d messages are left: %v", n, err)
	}
}

func TestAPublisherGoesOnWhenTheServerWasStartedAgain(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	s := startTestServer(t, dir)
	c := connectTest(t, ClientConfig{File: s.File()})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, c, PublisherConfig{Window: 16})
	const n = 500
	var sender sync.WaitGroup
	sent := make(chan struct{}, n)
	sender.Go(func() {
		for i := range n {
			if err := p.Candle(ctx, testSeries, testCandle(i)); err != nil {
				t.Error(err)
				return
			}
			sent <- struct{}{}
		}
	})
	for range 3 {
		for range 100 {
			<-sent
		}
		s.Shutdown()
		s = startTestServer(t, dir)
	}
	sender.Wait()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for i, got := range fetchCandles(t, newTestConsumer(t, c), n) {
		if int(got.Trades) > i {
			t.Fatalf("candle %d came in place %d: one before it is missing", got.Trades, i)
		}
	}
}

func TestAFullWindowHoldsTheSenderUpUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startTestServer(t, dir)
	c := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{Window: 3})
	// There is no stream yet: nothing is acknowledged.
	ctx := testContext(t)
	for i := range 3 {
		if err := p.Candle(ctx, testSeries, testCandle(i)); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := contextOf(t, 50*time.Millisecond)
	defer cancel()
	if err := p.Candle(short, testSeries, testCandle(3)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fourth candle in a window of three: %v", err)
	}
	if err := p.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a flush without a stream: %v", err)
	}
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Candle(ctx, testSeries, testCandle(3)), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	if all := fetchCandles(t, newTestConsumer(t, c), 4); len(all) != 4 {
		t.Errorf("%d candles came, not 4", len(all))
	}
}

func TestAFullStreamIsWaitedForAndToldOnce(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	log := newRecorder(t)
	c := connectTest(t, ClientConfig{File: s.File(), MaxBytes: 20_000, Logger: logTo(log)})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, c, PublisherConfig{Window: 1024})
	const n = 300 // some 60,000 bytes
	for i := range n {
		if err := p.Candle(ctx, testSeries, testCandle(i)); err != nil {
			t.Fatal(err)
		}
	}
	log.await(ctx, "does not take candles")
	if p.Unacknowledged() == 0 {
		t.Fatal("a full stream took everything")
	}
	all := fetchCandles(t, newTestConsumer(t, c), n)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	// All came, as fetchCandles saw, and none twice. Not in order: room that came while some were under way
	// let a later one in before an earlier one that had been refused.
	if len(all) != n || all[0].Trades != 0 {
		t.Errorf("%d candles came for %d, the first of them number %d", len(all), n, all[0].Trades)
	}
	log.await(ctx, "takes candles again")
	if down, up := log.count("does not take candles"), log.count("takes candles again"); down != up {
		t.Errorf("told %d times that it is ill and %d times that it is well", down, up)
	}
}

func TestACorrectionIsNotTakenForARepetition(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	p := newTestPublisher(t, c, PublisherConfig{})
	first, second := testCandle(1), testCandle(1)
	second.Close = candle.MustDecimal("2000.60")
	for _, form := range []candle.Candle{first, second, first} {
		if err := p.Candle(ctx, testSeries, form); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	batch, err := newTestConsumer(t, c).Fetch(ctx, 10)
	if err != nil || len(batch) != 3 || batch[1].Candle != second || batch[2].Candle != first {
		t.Errorf("got %d messages: %+v, %v", len(batch), batch, err)
	}
}

func TestAnOlderFormIsNotSentBehindANewerOne(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{AckWait: time.Hour})
	other := testSeries
	other.Symbol = "BTCUSDT"
	newer := testCandle(1)
	newer.Close = candle.MustDecimal("2000.60")
	// Without a stream all four are refused.
	err := errors.Join(p.Candle(ctx, other, testCandle(1)), p.Candle(ctx, testSeries, testCandle(1)),
		p.Candle(ctx, testSeries, newer), p.Candle(ctx, other, testCandle(2)))
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.ring[2].acked = true // as if the stream had had room for it in between
	p.mu.Unlock()
	if err := errors.Join(c.Provision(ctx), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	batch, err := newTestConsumer(t, c).Fetch(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range batch {
		if d.Series == testSeries {
			t.Errorf("the older form was sent again: %+v", d)
		}
	}
	if len(batch) != 2 {
		t.Errorf("%d messages came, not 2", len(batch))
	}
}

func TestANewerFormIsSentInTheOldersPlaceWhereItsAcknowledgementMayBeLost(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{AckWait: time.Hour})
	newer := testCandle(1)
	newer.Close = candle.MustDecimal("2000.60")
	// Without a stream both are refused; the publisher cannot tell it from a stream that refused the first,
	// took the second and lost the connection before it could say so.
	if err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Candle(ctx, testSeries, newer)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Provision(ctx), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	batch, err := newTestConsumer(t, c).Fetch(ctx, 10)
	if err != nil || len(batch) == 0 {
		t.Fatalf("came %+v, %v", batch, err)
	}
	for _, d := range batch {
		if d.Candle != newer {
			t.Errorf("the older form was sent again: %+v", d.Candle)
		}
	}
}

func TestAnOlderFormIsNotSentToFindOutWhetherTheBusIsWell(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{AckWait: time.Hour})
	other := testSeries
	other.Symbol = "BTCUSDT"
	newer := testCandle(1)
	newer.Close = candle.MustDecimal("2000.60")
	// Without a stream all three are refused.
	err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Candle(ctx, testSeries, newer), p.Candle(ctx, other, testCandle(1)))
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.ring[1].acked = true // as if the stream had had room for it in between
	p.mu.Unlock()
	if err := errors.Join(c.Provision(ctx), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	batch, err := newTestConsumer(t, c).Fetch(ctx, 10)
	if err != nil || len(batch) != 1 || batch[0].Series != other {
		t.Errorf("came %+v, %v", batch, err)
	}
}

func TestAcknowledgementsThatComeLateEndTheTrouble(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	log := newRecorder(t)
	c := connectTest(t, ClientConfig{File: s.File(), Logger: logTo(log)})
	p := newTestPublisher(t, c, PublisherConfig{})
	if err := p.Candle(ctx, testSeries, testCandle(1)); err != nil { // nobody takes it
		t.Fatal(err)
	}
	log.await(ctx, "does not take candles")
	p.receive(&nats.Msg{Subject: p.inbox + "0", Data: []byte(`{"stream":"CANDLES","seq":1}`)})
	log.await(ctx, "takes candles again")
	if n := p.Unacknowledged(); n != 0 {
		t.Errorf("%d messages are unacknowledged", n)
	}
}

func TestACandleThatNoStoreCouldKeepIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	p := newTestPublisher(t, c, PublisherConfig{})
	high := testCandle(1)
	high.High = candle.MustDecimal("1")
	nameless := testSeries
	nameless.Symbol = "ETH USDT"
	for name, err := range map[string]error{
		"high below the others": p.Candle(ctx, testSeries, high),
		"no price":              p.Candle(ctx, testSeries, candle.Candle{}),
		"blank in the symbol":   p.Candle(ctx, nameless, testCandle(1)),
		"no timeframe":          p.Candle(ctx, candle.Series{Exchange: "binance", Symbol: "ETHUSDT"}, testCandle(1)),
		"empty gap":             p.Gap(ctx, candle.Gap{Series: testSeries, Range: candle.Range{From: 2, To: 1}, State: candle.GapOpen}),
		"empty audit":           p.Audit(ctx, candle.Audit{Series: testSeries, Range: candle.Range{From: 2, To: 1}}),
		"audit without rows":    p.Audit(ctx, candle.Audit{Series: testSeries, Rows: -1}),
		"audit of no series":    p.Audit(ctx, candle.Audit{Rows: 1}),
		"gap without a state":   p.Gap(ctx, candle.Gap{Series: testSeries, Range: candle.Range{From: 1, To: 2}}),
	} {
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := p.Unacknowledged(); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
}

func TestAnAuditIsInTheStreamBehindAllThatWasHandedOverBefore(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File(), MaxBytes: 20_000})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, c, PublisherConfig{Window: 64})
	// The stream is full again and again: some of what is under way is refused while what follows is taken.
	const hours, rows = 10, 60
	var sender sync.WaitGroup
	sender.Go(func() {
		for hour := range hours {
			for n := range rows {
				if err := p.Candle(ctx, testSeries, testCandle(hour*rows+n)); err != nil {
					t.Error(err)
				}
			}
			first, last := testCandle(hour*rows), testCandle(hour*rows+rows-1)
			audit := candle.Audit{Series: testSeries, Range: candle.Range{From: first.OpenTime, To: last.OpenTime}, Rows: rows, At: last.CloseTime}
			if err := p.Audit(ctx, audit); err != nil {
				t.Error(err)
			}
		}
	})
	consumer := newTestConsumer(t, c)
	came := make(map[candle.Millis]bool)
	for audits := 0; audits < hours; {
		batch, err := consumer.Fetch(ctx, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			if d.Audit == nil {
				came[d.Candle.OpenTime] = true
				continue
			}
			a := *d.Audit
			for open := a.Range.From; open <= a.Range.To; open = open.Add(time.Minute) {
				if !came[open] {
					t.Errorf("the audit %s overtook the candle %s", a.Range, open)
				}
			}
			if hour := testCandle(audits * rows); a.Series != testSeries || a.Range.From != hour.OpenTime || a.Rows != rows || d.Arrived.IsZero() {
				t.Errorf("audit %d came as %+v", audits, a)
			}
			audits++
		}
		if err := consumer.Commit(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	sender.Wait()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestAnAuditWaitsForACandleThatIsNotAcknowledgedAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{AckWait: time.Hour})
	audit := candle.Audit{Series: testSeries, Range: candle.Range{From: 1, To: 2}, Rows: 1}
	// Without a stream all of it is refused.
	err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Candle(ctx, testSeries, testCandle(2)),
		p.Audit(ctx, audit), p.Candle(ctx, testSeries, testCandle(3)))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Provision(ctx), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	batch, err := newTestConsumer(t, c).Fetch(ctx, 10)
	if err != nil || len(batch) != 4 {
		t.Fatalf("%d messages, %v", len(batch), err)
	}
	for i := range 3 {
		if batch[i].Candle != testCandle(i+1) {
			t.Errorf("in place %d is %+v", i, batch[i])
		}
	}
	if last := batch[3]; last.Audit == nil || *last.Audit != audit {
		t.Errorf("the last is %+v", last)
	}
}

func TestARepairedGapComesBehindItsCandlesAndGapsInTheirOrder(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{AckWait: time.Hour})
	gap := candle.Gap{Series: testSeries, Range: candle.Range{From: testCandle(1).OpenTime, To: testCandle(1).OpenTime}, State: candle.GapOpen}
	states := []candle.GapState{candle.GapOpen, candle.GapRepaired, candle.GapOpen}
	// Without a stream all of it is refused.
	var err error
	for i, state := range states {
		gap.State = state
		err = errors.Join(err, p.Candle(ctx, testSeries, testCandle(i)), p.Gap(ctx, gap))
	}
	if err := errors.Join(err, c.Provision(ctx), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	batch, err := newTestConsumer(t, c).Fetch(ctx, 10)
	if err != nil || len(batch) != 2*len(states) {
		t.Fatalf("%d messages, %v", len(batch), err)
	}
	candles, gaps := 0, 0
	for _, d := range batch {
		if d.Gap == nil {
			candles++
			continue
		}
		if d.Gap.State != states[gaps] || candles <= gaps {
			t.Errorf("gap %d is %s, behind %d candles", gaps, d.Gap.State, candles)
		}
		gaps++
	}
}

func TestAClosedPublisherSaysWhatItGaveUp(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{Window: 1})
	if err := p.Candle(ctx, testSeries, testCandle(1)); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() { waiting <- p.Candle(ctx, testSeries, testCandle(2)) }()
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "1 messages were not acknowledged") {
		t.Errorf("got %v", err)
	}
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("one who waited for room got %v", err)
	}
	if err := p.Flush(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("a flush got %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
}
