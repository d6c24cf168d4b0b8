package bus

import (
	"errors"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestProvisionMayBeRepeatedByAnybody(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	p := newTestPublisher(t, c, PublisherConfig{})
	if err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			other := connectTest(t, ClientConfig{File: s.File(), MaxBytes: 1 << 20})
			if err := other.Provision(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	stream, err := c.js.Stream(ctx, streamCandles)
	if err != nil {
		t.Fatal(err)
	}
	info := stream.CachedInfo()
	if info.State.Msgs != 1 || info.Config.MaxBytes != 1<<20 || info.Config.Retention != jetstream.WorkQueuePolicy {
		t.Errorf("got %+v", info)
	}
}
