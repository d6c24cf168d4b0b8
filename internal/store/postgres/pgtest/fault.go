package pgtest

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Stop shuts the server down as an administrator does (pg_ctl stop -m fast): its clients are
// thrown out, its data stays. Run starts it again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.end("keep"); err != nil {
		t.Fatal(err)
	}
}

// Run starts a server that Stop stopped, at the same address.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	who, err := credential()
	if err == nil {
		err = s.launch(who)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Restart is Stop and Run.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Run(t)
}

// Pause stops every process of the server where it stands (SIGSTOP): connections stay open, and
// nothing answers. Resume lets them go on.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	// The postmaster first, so that no further child is born.
	s.pause(t, s.pid)
	children, err := os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/task/" + strconv.Itoa(s.pid) + "/children")
	if err != nil {
		t.Skipf("pausing PostgreSQL needs Linux's /proc: %v", err)
	}
	for field := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		s.pause(t, pid)
	}
}

func (s *Server) pause(t testing.TB, pid int) {
	t.Helper()
	// A stopped postmaster reaps none of its children, so no PID here can have been reused.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("SIGSTOP %d: %v", pid, err)
	}
	s.paused = append(s.paused, pid)
}

// Resume lets a paused server go on.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	for _, pid := range slices.Backward(s.paused) {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatalf("SIGCONT %d: %v", pid, err)
		}
	}
	s.paused = nil
}

// Exec runs a statement in the server's administrative database, such as pg_terminate_backend.
func (s *Server) Exec(t testing.TB, sql string) {
	t.Helper()
	if err := s.exec(sql); err != nil {
		t.Fatal(err)
	}
}

// alive tells whether a child of a process of ours still runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// Process gives the PID of the server and the directory that holds all it writes.
func (s *Server) Process() (pid int, dir string) { return s.pid, s.dir }
