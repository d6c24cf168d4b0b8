package e2e

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestClockSteppedByAnHourChangesNothing steps the machine's clock an hour forth and back under a
// running server. Everything else that runs on the machine sees that too, so it is done where a
// variable allows it, alone.
func TestClockSteppedByAnHourChangesNothing(t *testing.T) { //nolint:paralleltest // nobody else must look at the clock
	if os.Getenv("VELADOR_TEST_CLOCK") != "1" {
		t.Skip("VELADOR_TEST_CLOCK=1 allows to step the machine's clock")
	}
	var before unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &before); err != nil {
		skip(t, "the clock cannot be set: "+err.Error())
	}
	stepped := time.Duration(0)
	step := func(by time.Duration) {
		var now unix.Timespec
		err := unix.ClockGettime(unix.CLOCK_REALTIME, &now)
		if err == nil {
			now.Sec += int64(by / time.Second)
			err = unix.ClockSettime(unix.CLOCK_REALTIME, &now)
		}
		if err != nil {
			t.Fatal(err)
		}
		stepped += by
	}
	defer func() { step(-stepped) }()
	s := newSite(t, nil)
	server := s.serve(nil)
	pid := start(t, server, ethBody)
	uptime := func() float64 {
		_, _, text := call(t, "GET", server.url+"/api/collectors/1", "")
		return object(t, text)["uptime"].(float64)
	}
	for _, by := range []time.Duration{time.Hour, -2 * time.Hour, time.Hour} {
		step(by)
		present, _, _ := collected(t, server, "ETHUSDT")
		eventually(t, "candles go on after the clock was stepped by "+by.String(), 30*time.Second, func() bool {
			now, _, _ := collected(t, server, "ETHUSDT")
			return now >= present+5
		})
		s.agrees(server, 1)
		if now := pidOf(t, server, "ETHUSDT", "1m"); now != pid {
			t.Fatalf("after a step of %s PID %d became %d", by, pid, now)
		}
		if up := uptime(); up < 0 || up > 300 {
			t.Errorf("after a step of %s it has been up for %v s", by, up)
		}
	}
	// A life that ended a moment after its start is no healthy one, whatever the clock says.
	killPID(t, pid)
	step(time.Hour)
	s.agrees(server, 1)
	s.kill(server)
	step(-time.Hour)
	pid = listedOne(t, s)
	server = s.serve(nil)
	s.agrees(server, 1)
	if now := pidOf(t, server, "ETHUSDT", "1m"); now != pid {
		t.Errorf("a server that was started an hour before its collector did not adopt it: PID %d became %d", pid, now)
	}
	s.whole(server, "ETHUSDT", 20)
}

// listedOne gives the PID of the site's only collector.
func listedOne(t *testing.T, s *site) int {
	t.Helper()
	for pid := range s.processes() {
		return pid
	}
	t.Fatal("no collector runs")
	return 0
}
