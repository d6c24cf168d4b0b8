package bus

import (
	"testing"

	"velador/internal/candle"
)

func TestWhatIsStoredIsToldToWhoListens(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	viewer := connectTest(t, ClientConfig{File: s.File()})
	got := make(chan candle.Range, 1)
	stop, err := viewer.SubscribeStored(testSeries, func(r candle.Range) { got <- r })
	if err != nil {
		t.Fatal(err)
	}
	if err := viewer.nats.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	other := testSeries
	other.Symbol = "BTCUSDT"
	c.PublishStored(other, candle.Range{From: 1, To: 1})
	c.PublishStored(testSeries, candle.Range{From: 2, To: 1}) // nothing
	c.PublishStored(candle.Series{}, candle.Range{From: 1, To: 1})
	want := candle.Range{From: -60_000, To: 1_700_000_000_000}
	c.PublishStored(testSeries, want)
	select {
	case is := <-got:
		if is != want {
			t.Errorf("told was %v", is)
		}
	case <-ctx.Done():
		t.Fatal("nothing was told")
	}
	stop()
	c.PublishStored(testSeries, want) // nobody listens
	if _, err := viewer.SubscribeStored(candle.Series{}, nil); err == nil {
		t.Error("a series that is none can be followed")
	}
}

func FuzzDecodeStored(f *testing.F) {
	for _, text := range []string{"1 2", "-5 -5", "2 1", "1", "", "1 2 3", "9223372036854775808 1", "a b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if r, err := decodeStored(payload); err == nil && r.Empty() {
			t.Fatalf("%q is read as the empty stretch %v", payload, r)
		}
	})
}
