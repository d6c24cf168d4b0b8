package supervise

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"velador/internal/collector"
)

// TestServerKilledAtAnyStepLeavesOneCopyOrNone kills a whole velador (bus, database, fleet and agent)
// with -9 in the middle of a start and of a stop. The next one makes of it what was promised.
func TestServerKilledAtAnyStepLeavesOneCopyOrNone(t *testing.T) {
	t.Parallel()
	ofStop := []Step{BeforeWish, BeforeSignal, AfterSignal}
	for _, step := range Steps() {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			server := exec.Command(os.Args[0])
			server.Env = []string{"SUPERVISE_TEST_COLLECTOR=SERVER", "SUPERVISE_TEST_DIR=" + dir, "SUPERVISE_TEST_STEP=" + string(step)}
			server.Stdout, server.Stderr = t.Output(), t.Output()
			_ = server.Run() // its end is looked at below
			if status, _ := server.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the server ended otherwise: %s", server.ProcessState)
			}
			s := openSite(t, dir)
			left := s.copies("QUIET")
			if len(left) > 1 {
				t.Fatalf("the killed one leaves %v", left)
			}
			s.runAgent(nil)
			if slices.Contains(ofStop, step) && step != BeforeWish {
				row := s.untilRow(1, "the stop is finished", collector.Record.Over)
				if pids := s.copies("QUIET"); len(pids) != 0 || row.PID == 0 {
					t.Errorf("after a stop %v run, the row is %+v", pids, row)
				}
				s.untilOrders(0)
				return
			}
			row := s.untilRow(1, "it runs", func(r collector.Record) bool { return r.Status == collector.Running && r.PID != 0 && alive(r) })
			s.untilOrders(1)
			if pids := s.copies("QUIET"); len(pids) != 1 || pids[0] != row.PID {
				t.Errorf("%v run, the row is %+v", pids, row)
			}
			if len(left) == 1 && left[0] != row.PID {
				t.Errorf("PID %d was not adopted: %+v", left[0], row)
			}
			if _, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID}); err != nil {
				t.Error(err)
			}
			if pids := s.copies("QUIET"); len(pids) != 0 || !s.row(1).Over() {
				t.Errorf("after a stop %v run, the row is %+v", pids, s.row(1))
			}
		})
	}
}

// untilOrders waits until so many orders are outstanding.
func (s *site) untilOrders(n int) {
	s.t.Helper()
	s.until("the orders are as they should be", func() bool {
		outstanding, err := s.conn.OutstandingAssignments(within(s.t))
		return err == nil && len(outstanding) == n
	})
}
