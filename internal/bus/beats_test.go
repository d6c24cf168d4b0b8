package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"velador/internal/collector"
)

// fullBeat is a beat without a zero value in it.
func fullBeat(run string) collector.Beat {
	return collector.Beat{
		RunID: run, Sent: time.Date(2026, 11, 23, 10, 0, 0, 123456789, time.UTC), Phase: collector.PhaseLive,
		Series: 431, LiveNow: 430, Connected: 2, Clock: 1_795_428_905_123, Progress: 1_795_428_900_017,
		LastOpen: 1_795_428_840_000, LastClose: 1_795_428_899_999, OpenGaps: 3, Candles: 18_446_744_073_709_551_615, Repaired: 7, Absent: 1,
		Messages: 123_456_789, Requests: 9876, Failures: 12, Reconnects: 4,
		BannedUntil: time.Date(2026, 11, 23, 10, 2, 0, 0, time.UTC), Quiet: true,
	}
}

// listener hears the beats of one agent.
type listener struct {
	heard chan collector.Beat
	stop  func() error // and gives what Beats returned
}

// listen begins to hear an agent's beats and returns when they arrive. say sends one that tells it.
func listen(t *testing.T, c *Conn, agent string, say func(collector.Beat) error) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{heard: make(chan collector.Beat, 100)}
	ended := make(chan error, 1)
	go func() { ended <- c.Beats(ctx, agent, func(b collector.Beat) { l.heard <- b }) }()
	stopped := false
	l.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { _ = l.stop() })
	l.reach(t, say)
	return l
}

// reach repeats a beat until one is heard, and leaves none of them behind.
func (l *listener) reach(t *testing.T, say func(collector.Beat) error) {
	t.Helper()
	ctx := testContext(t)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	probe := collector.Beat{Phase: collector.PhaseStarting}
	for n := 1; ; n++ {
		probe.RunID = fmt.Sprint("probe ", n)
		if err := say(probe); err != nil {
			t.Fatal(err)
		}
		select {
		case <-l.heard:
			for probe.RunID = "last probe"; say(probe) == nil; {
				for {
					select {
					case b := <-l.heard:
						if b.RunID == probe.RunID {
							return
						}
						continue
					case <-ctx.Done():
						t.Fatal("beats no longer arrive")
					}
				}
			}
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("no beat arrives")
		}
	}
}

func (l *listener) next(t *testing.T) collector.Beat {
	t.Helper()
	select {
	case b := <-l.heard:
		return b
	case <-testContext(t).Done():
		t.Fatal("no beat came")
	}
	return collector.Beat{}
}

func TestBeatComesWholeAndOnlyToItsAgent(t *testing.T) {
	t.Parallel()
	s, _ := newTestBus(t)
	sender, one, other := connectTest(t, ClientConfig{File: s.File()}), connectTest(t, ClientConfig{File: s.File()}), connectTest(t, ClientConfig{File: s.File()})
	// Names that would be several tokens, or wildcards, if they were written as they are.
	names := []string{"a.b", "*", ">", "a", "ñandú es"}
	listeners := make(map[string]*listener)
	for i, name := range names {
		by := one
		if i%2 == 0 {
			by = other
		}
		listeners[name] = listen(t, by, name, func(b collector.Beat) error { return sender.PublishBeat(name, b) })
	}
	for _, name := range names {
		if err := sender.PublishBeat(name, fullBeat(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		if got := listeners[name].next(t); got != fullBeat(name) {
			t.Errorf("the agent %q heard %+v", name, got)
		}
		if err := sender.PublishBeat(name, fullBeat("end")); err != nil {
			t.Fatal(err)
		}
		if got := listeners[name].next(t); got.RunID != "end" {
			t.Errorf("the agent %q heard what was another's: %+v", name, got)
		}
	}
	for _, l := range listeners {
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	}
	for _, err := range []error{sender.PublishBeat("", fullBeat("x")), sender.PublishPulse(""), sender.Beats(t.Context(), "", nil), sender.Pulses(t.Context(), "", nil)} {
		if err == nil {
			t.Error("an agent without a name can be spoken to")
		}
	}
}

func TestFullBeatHasEveryField(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(fullBeat("x"))
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is zero: the tests would not see it lost", v.Type().Field(i).Name)
		}
	}
	payload, err := json.Marshal(fullBeat("x"))
	if err != nil || len(payload) > maxBeat/4 {
		t.Errorf("a beat has %d bytes, %v", len(payload), err)
	}
}

func TestSlowListenerKeepsTheNewestBeatsAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	s, sender := newTestBus(t)
	agent := connectTest(t, ClientConfig{File: s.File()})
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	heard, goOn, ended := make(chan collector.Beat), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- agent.Beats(ctx, "slow", func(b collector.Beat) {
			heard <- b
			<-goOn
		})
	}()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for waiting := true; waiting; {
		if err := sender.PublishBeat("slow", fullBeat("first")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-heard:
			waiting = false
		case <-again.C:
		}
	}
	const sent = 2 * queuedBeats
	for n := range sent {
		b := fullBeat("run")
		b.Candles = uint64(n)
		if err := sender.PublishBeat("slow", b); err != nil {
			t.Fatal(err)
		}
	}
	// When the sender's connection has been flushed and an answer on the listener's has come, all that
	// was sent has come too; when its own queue is empty it has reached the listener's.
	for _, c := range []*Conn{sender, agent} {
		if err := c.nats.FlushWithContext(ctx); err != nil {
			t.Fatal(err)
		}
	}
	marker := make(chan collector.Beat, 1)
	beside := listen(t, agent, "beside", func(b collector.Beat) error { return sender.PublishBeat("beside", b) })
	if err := sender.PublishBeat("beside", fullBeat("marker")); err != nil {
		t.Fatal(err)
	}
	marker <- beside.next(t) // another subscription of the same connection is served meanwhile
	if got := <-marker; got.RunID != "marker" {
		t.Errorf("%+v", got)
	}
	goOn <- struct{}{}
	count, last := 0, -1
	for last != sent-1 {
		select {
		case b := <-heard:
			if b.RunID == "run" {
				count++
				if int(b.Candles) <= last {
					t.Fatalf("%d came after %d", b.Candles, last)
				}
				last = int(b.Candles)
			}
			goOn <- struct{}{}
		case <-ctx.Done():
			t.Fatalf("the newest beat never came: %d did, the last was %d", count, last)
		}
	}
	// A beat may have been taken out of the queue while others were still on their way.
	if count < queuedBeats || count > queuedBeats+queuedBeats/2 {
		t.Errorf("%d beats waited", count)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBeatsAndPulsesGoOnWhenTheBusIsBack(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	first := startTestServer(t, dir)
	logs := [2]*recorder{newRecorder(t), newRecorder(t)}
	sender := connectTest(t, ClientConfig{File: first.File(), Logger: logTo(logs[0])})
	agent := connectTest(t, ClientConfig{File: first.File(), Logger: logTo(logs[1])})
	say := func(b collector.Beat) error { return sender.PublishBeat("a", b) }
	l := listen(t, agent, "a", say)
	pulses := make(chan struct{}, 1)
	listening, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- sender.Pulses(listening, "a", func() {
			select {
			case pulses <- struct{}{}:
			default:
			}
		})
	}()
	pulse := func() {
		t.Helper()
		again := time.NewTicker(5 * time.Millisecond)
		defer again.Stop()
		for {
			if err := agent.PublishPulse("a"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-pulses:
				return
			case <-again.C:
			case <-ctx.Done():
				t.Fatal("no pulse arrives")
			}
		}
	}
	pulse()
	first.Shutdown()
	for _, log := range logs {
		log.await(ctx, "out of reach")
	}
	// Without a bus a beat and a pulse are gone, without a word.
	if err := errors.Join(say(fullBeat("lost")), agent.PublishPulse("a")); err != nil {
		t.Error(err)
	}
	startTestServer(t, dir)
	for _, log := range logs {
		log.await(ctx, "the bus is back")
	}
	l.reach(t, say)
	if err := say(fullBeat("after")); err != nil {
		t.Fatal(err)
	}
	if got := l.next(t); got != fullBeat("after") {
		t.Errorf("came %+v", got)
	}
	for len(pulses) > 0 {
		<-pulses
	}
	pulse()
	cancel()
	if err := errors.Join(<-ended, l.stop()); err != nil {
		t.Error(err)
	}
	agent.Close()
	if err := agent.Beats(ctx, "a", nil); err == nil {
		t.Error("a closed connection can be listened to")
	}
}

func TestClosedConnectionEndsItsListeners(t *testing.T) {
	t.Parallel()
	_, c := newTestBus(t)
	ended := make(chan error, 1)
	go func() { ended <- c.Pulses(t.Context(), "a", func() {}) }()
	c.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ended as if it had been asked to")
		}
	case <-testContext(t).Done():
		t.Fatal("it did not end")
	}
}

func TestBeatThatNobodyCanMeanIsLeftOut(t *testing.T) {
	t.Parallel()
	s, sender := newTestBus(t)
	agent := connectTest(t, ClientConfig{File: s.File()})
	say := func(b collector.Beat) error { return sender.PublishBeat("a", b) }
	l := listen(t, agent, "a", say)
	bad := map[string]string{
		"nothing":              ``,
		"no JSON":              `{"run_id":`,
		"another shape":        `[1,2]`,
		"no run":               `{"phase":"live"}`,
		"no phase":             `{"run_id":"x"}`,
		"a phase of the agent": `{"run_id":"x","phase":"backoff"}`,
		"a run without end":    `{"run_id":"` + strings.Repeat("x", maxRunID+1) + `","phase":"live"}`,
		"more live than there": `{"run_id":"x","phase":"live","series":1,"live_now":2}`,
		"less than nothing":    `{"run_id":"x","phase":"live","open_gaps":-1}`,
		"before the epoch":     `{"run_id":"x","phase":"live","clock":-1}`,
		"no time":              `{"run_id":"x","phase":"live","sent":"yesterday"}`,
		"too large a number":   `{"run_id":"x","phase":"live","candles":18446744073709551616}`,
		"a name twice":         `{"run_id":"x","run_id":"y","phase":"live"}`,
		"too long":             `{"run_id":"x","phase":"live","more":"` + strings.Repeat("x", maxBeat) + `"}`,
	}
	for what, payload := range bad {
		if b, err := decodeBeat([]byte(payload)); err == nil || b != (collector.Beat{}) {
			t.Errorf("%s: %+v, %v", what, b, err)
		}
		if err := sender.nats.Publish("beats.a", []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := say(fullBeat("good")); err != nil {
		t.Fatal(err)
	}
	if got := l.next(t); got.RunID != "good" {
		t.Errorf("heard %+v", got)
	}
}

func TestBeatOfAnotherVersionIsUnderstood(t *testing.T) {
	t.Parallel()
	b, err := decodeBeat([]byte(`{"run_id":"x","phase":"live","series":1,"news":{"a":[1]},"sent":"2026-11-23T12:00:00.5+02:00"}`))
	if want := (collector.Beat{RunID: "x", Phase: collector.PhaseLive, Series: 1, Sent: time.Date(2026, 11, 23, 10, 0, 0, 5e8, time.UTC)}); err != nil || b != want {
		t.Errorf("%+v, %v", b, err)
	}
}

func FuzzDecodeBeat(f *testing.F) {
	for _, b := range []collector.Beat{fullBeat("x"), {RunID: "x", Phase: collector.PhaseStarting}} {
		payload, err := json.Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Add([]byte(`{"run_id":"x","phase":"live","sent":"2026-11-23T12:00:00+02:00","clock":1e3}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := decodeBeat(payload)
		if err != nil {
			if b != (collector.Beat{}) {
				t.Errorf("an error with %+v", b)
			}
			return
		}
		if len(b.RunID) > maxRunID || b.LiveNow > b.Series || b.Silent() < 0 || b.Age() < 0 {
			t.Errorf("%+v", b)
		}
		// What was understood says the same when it is passed on.
		again, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > maxBeat {
			return
		}
		if same, err := decodeBeat(again); err != nil || same != b {
			t.Errorf("%+v became %+v, %v", b, same, err)
		}
	})
}

// BenchmarkBeat reports what one beat costs its sender and its agent, which hears 250 a second of 500
// collectors; and the latter with the standard library's decoder.
func BenchmarkBeat(b *testing.B) {
	beat := fullBeat("3ZQYB5WJ6C2XK7MLV4N4TRHD6E")
	payload, err := json.Marshal(beat)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(beat); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(payload)), "bytes")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeBeat(payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode-std", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var got collector.Beat
			if err := json.Unmarshal(payload, &got); err != nil || got != beat {
				b.Fatal(err)
			}
		}
	})
}
