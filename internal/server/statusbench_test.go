package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/server/servertest"
)

// busyFleet answers at once with collectors of which some have beaten since they were listed last.
type busyFleet struct {
	Fleet
	list    []collector.Live
	changes int // collectors whose beat is newer in each list
	next    int
}

func newBusyFleet(n, changes int) *busyFleet {
	f := &busyFleet{Fleet: servertest.NewFleet(time.Now), changes: changes}
	for i := range n {
		begun := noon.Add(time.Duration(i) * 137 * time.Millisecond)
		f.list = append(f.list, collector.Live{
			Record: collector.Record{
				ID: int64(i + 1), Spec: collector.Spec{Exchange: "binance", Selector: fmt.Sprintf("SYM%dUSDT", i), Timeframe: candle.Minute1},
				Wanted: true, Status: collector.Running, Host: "tokio-1", StartedAt: begun,
				Identity: collector.Identity{Instance: "tokio-1-4f2a", BootID: "2d9d5e0c-7f6d-4c8e-9a57-0f1f3c1f5e11", Namespace: "pid:[4026531836]@7",
					PID: 12345 + i, StartTicks: 5_000_000, RunID: fmt.Sprintf("%032x", i)},
			},
			Uptime: time.Hour,
			Vitals: collector.Vitals{
				Phase: collector.PhaseLive, MessagesPerSecond: 3.5, CPUPercent: 0.4, CPU: time.Minute, RSS: 18 << 20, USS: 9 << 20,
				Beat: collector.Beat{RunID: fmt.Sprintf("%032x", i), Sent: begun, Phase: collector.PhaseLive, Series: 1, LiveNow: 1, Connected: 1,
					Clock: candle.MillisOf(noon), LastOpen: candle.MillisOf(noon) - 120_000, LastClose: candle.MillisOf(noon) - 60_001, Candles: 1440, Messages: 100_000},
			},
		})
	}
	return f
}

func (f *busyFleet) Status(context.Context) ([]collector.Live, error) {
	for range f.changes {
		live := &f.list[f.next%len(f.list)]
		f.next++
		live.Uptime += 2 * time.Second
		live.Vitals.Beat.Sent = live.Vitals.Beat.Sent.Add(2 * time.Second)
		live.Vitals.Beat.Clock += 2000
		live.Vitals.Beat.Messages += 7
		live.Vitals.MessagesPerSecond = float64(live.Vitals.Beat.Messages%1000) / 100
	}
	return f.list, nil
}

// BenchmarkStatusOverHTTP asks for the status of 500 collectors over a loopback connection and reads
// the answer whole. Each beats every two seconds: of a server that is asked every second 250 are new.
func BenchmarkStatusOverHTTP(b *testing.B) {
	for _, changes := range []int{0, 250, 500} {
		for _, fresh := range []bool{false, true} {
			b.Run(fmt.Sprintf("changed=%d/fresh=%t", changes, fresh), func(b *testing.B) {
				h := build(b, func(c *Config) { c.Fleet = newBusyFleet(500, changes) })
				h.client.Transport.(*http.Transport).DisableKeepAlives = fresh
				b.ReportAllocs()
				for b.Loop() {
					resp, err := h.client.Get(h.http.URL + "/api/collectors/status")
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if err != nil || n < 100_000 {
						b.Fatal(n, err)
					}
					b.SetBytes(n)
				}
			})
		}
	}
}

// BenchmarkStatusBody writes the body alone.
func BenchmarkStatusBody(b *testing.B) {
	for _, changes := range []int{0, 250, 500} {
		b.Run(fmt.Sprintf("changed=%d", changes), func(b *testing.B) {
			fleet := newBusyFleet(500, changes)
			var known fragments
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				list, err := fleet.Status(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				body = known.appendList(body[:0], list, spanish)
			}
			b.SetBytes(int64(len(body)))
		})
	}
}
