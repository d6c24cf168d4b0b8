package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"velador/internal/problem"
)

// testAckWait is short, so that redelivery need not be waited for long, and long enough for a busy
// machine to send three heart-beats within it.
const testAckWait = 2 * time.Second

// testAgent runs Assignments and gives every assignment that it takes to the test.
type testAgent struct {
	held chan *Held
	stop func() // ends it and waits
}

// startAgent starts an agent whose handlers return when their ctx ends.
func startAgent(t *testing.T, c *Conn, name string) *testAgent {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := &testAgent{held: make(chan *Held, 100)}
	var running sync.WaitGroup
	running.Go(func() {
		err := c.Assignments(ctx, AgentConfig{Name: name, AckWait: testAckWait}, func(ctx context.Context, h *Held) error {
			a.held <- h
			select {
			case <-ctx.Done():
			case <-h.settled:
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	a.stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(a.stop)
	return a
}

func (a *testAgent) next(t *testing.T) *Held {
	t.Helper()
	select {
	case h := <-a.held:
		return h
	case <-testContext(t).Done():
		t.Fatal("no assignment came")
		return nil
	}
}

func TestAnAssignmentIsAnsweredAndLeavesTheQueueWhenItIsDone(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	agent := startAgent(t, c, "one")
	answered := make(chan string, 1)
	go func() {
		answer, err := c.AssignAndAwait(ctx, Assignment{ID: "collector-1", Payload: []byte("work")})
		answered <- fmt.Sprint(string(answer), err)
	}()
	h := agent.next(t)
	if h.Assignment().ID != "collector-1" || string(h.Assignment().Payload) != "work" || h.Redelivered() {
		t.Errorf("got %+v, delivered before: %v", h.Assignment(), h.Redelivered())
	}
	if err := errors.Join(h.Answer([]byte("pid 7")), h.Answer([]byte("pid 8"))); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != "pid 7<nil>" {
		t.Errorf("the answer was %q", got)
	}
	if err := c.Assign(ctx, Assignment{ID: "collector-1"}); !errors.Is(err, ErrAssigned) {
		t.Errorf("a second one was taken: %v", err)
	}
	if ids, err := c.OutstandingAssignments(ctx); err != nil || !slices.Equal(ids, []string{"collector-1"}) {
		t.Errorf("outstanding: %v, %v", ids, err)
	}
	if err := h.Done(); err != nil {
		t.Fatal(err)
	}
	if h.Done() == nil || h.Release() == nil {
		t.Error("an assignment can be settled twice")
	}
	if ids, err := c.OutstandingAssignments(ctx); err != nil || len(ids) != 0 {
		t.Errorf("outstanding after the end: %v, %v", ids, err)
	}
	if err := c.Assign(ctx, Assignment{ID: "collector-1"}); err != nil {
		t.Errorf("it cannot be assigned anew: %v", err)
	}
	if again := agent.next(t); again.Redelivered() {
		t.Error("a new assignment counts as delivered before")
	}
}

func TestOfAHundredRacingAssignsExactlyOneWins(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			switch err := c.Assign(ctx, Assignment{ID: "same"}); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, ErrAssigned):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 99 {
		t.Errorf("%d won and %d lost", won.Load(), lost.Load())
	}
}

func TestAReleasedAssignmentGoesToAnotherAgentAtOnce(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	first := startAgent(t, c, "first")
	if err := c.Assign(ctx, Assignment{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	first.next(t)
	second := startAgent(t, connectTest(t, ClientConfig{File: s.File()}), "second")
	first.stop() // its handler returns with neither Done nor Release
	if h := second.next(t); !h.Redelivered() {
		t.Error("it is not known that it was held before")
	}
}

func TestWithoutHeartBeatsAnAssignmentGoesToAnotherAgentAndTheFirstIsTold(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	cut := newCutter(t, s)
	cutOff := connectTest(t, ClientConfig{URL: cut.url})
	lost := make(chan error, 1)
	held := make(chan *Held, 1)
	running, stop := context.WithCancel(ctx)
	var agents sync.WaitGroup
	agents.Go(func() {
		err := cutOff.Assignments(running, AgentConfig{Name: "cut off", AckWait: testAckWait}, func(ctx context.Context, h *Held) error {
			held <- h
			<-ctx.Done()
			lost <- context.Cause(ctx)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	defer agents.Wait()
	defer stop()
	if err := c.Assign(ctx, Assignment{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	former := <-held
	cut.block(true)
	second := startAgent(t, c, "second")
	if h := second.next(t); !h.Redelivered() {
		t.Error("it is not known that it was held before")
	}
	cut.block(false)
	if cause := <-lost; !errors.Is(cause, ErrLost) {
		t.Errorf("the first agent's work ended because of %v", cause)
	}
	if err := former.Done(); !errors.Is(err, ErrLost) {
		t.Errorf("who has lost an assignment may end it: %v", err)
	}
	if ids, err := c.OutstandingAssignments(ctx); err != nil || len(ids) != 1 {
		t.Errorf("outstanding: %v, %v", ids, err)
	}
}

func TestHeartBeatsKeepAnAssignmentThroughARestartOfTheServer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	s := startTestServer(t, dir)
	c := connectTest(t, ClientConfig{File: s.File()})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	agent := startAgent(t, c, "one")
	if err := errors.Join(c.Assign(ctx, Assignment{ID: "kept"}), c.Assign(ctx, Assignment{ID: "waiting"})); err != nil {
		t.Fatal(err)
	}
	kept, waiting := agent.next(t), agent.next(t)
	s.Shutdown()
	startTestServer(t, dir)
	// The second is given back and comes again: by then the server knows of both.
	if err := waiting.Release(); err != nil {
		t.Log(err) // not connected yet: it comes again by itself
	}
	if h := agent.next(t); h.Assignment().ID != waiting.Assignment().ID {
		t.Errorf("%s came again while it is held", h.Assignment().ID)
	}
	if err := kept.Done(); err != nil {
		t.Fatal(err)
	}
	if ids, err := c.OutstandingAssignments(ctx); err != nil || len(ids) != 1 {
		t.Errorf("outstanding: %v, %v", ids, err)
	}
}

func TestAnUnfinishedAssignmentIsOfferedAgainAfterARestartOfEverything(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	kill := startServerProcess(t, dir)
	file := dir + "/" + FileName
	c := connectTest(t, ClientConfig{File: file})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	agent := startAgent(t, c, "one")
	if err := c.Assign(ctx, Assignment{ID: "a", Payload: []byte("work")}); err != nil {
		t.Fatal(err)
	}
	agent.next(t)
	kill()
	c.Close() // the agent's process is gone as well
	startServerProcess(t, dir)
	other := startAgent(t, connectTest(t, ClientConfig{File: file}), "two")
	if h := other.next(t); string(h.Assignment().Payload) != "work" {
		t.Errorf("got %+v", h.Assignment())
	}
}

func TestAWithdrawnAssignmentMayBeGivenAnewWhileTheOldHandlerStillRuns(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	agent := startAgent(t, c, "one")
	if err := c.Assign(ctx, Assignment{ID: "a", Payload: []byte("old")}); err != nil {
		t.Fatal(err)
	}
	old := agent.next(t)
	if err := errors.Join(c.Withdraw(ctx, "a"), c.Withdraw(ctx, "a"), c.Withdraw(ctx, "never")); err != nil {
		t.Fatal(err)
	}
	if ids, err := c.OutstandingAssignments(ctx); err != nil || len(ids) != 0 {
		t.Errorf("outstanding: %v, %v", ids, err)
	}
	if err := c.Assign(ctx, Assignment{ID: "a", Payload: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	if h := agent.next(t); string(h.Assignment().Payload) != "new" {
		t.Errorf("got %+v", h.Assignment())
	}
	if err := old.Done(); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("the old one may end the new one: %v", err)
	}
}

func TestAnAssignmentThatNobodyTakesStaysInTheQueue(t *testing.T) {
	t.Parallel()
	_, c := newTestBus(t)
	short, cancel := contextOf(t, 100*time.Millisecond)
	defer cancel()
	_, err := c.AssignAndAwait(short, Assignment{ID: "a"})
	if problem.KindOf(err) != problem.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if ids, err := c.OutstandingAssignments(testContext(t)); err != nil || len(ids) != 1 {
		t.Errorf("outstanding: %v, %v", ids, err)
	}
	for _, id := range []string{"", "a.b", "a b", "*", "é"} {
		if c.Assign(testContext(t), Assignment{ID: id}) == nil {
			t.Errorf("the ID %q was taken", id)
		}
	}
}

func TestAgentsShareTheWork(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	const n = 40
	one := startAgent(t, c, "one")
	two := startAgent(t, connectTest(t, ClientConfig{File: s.File()}), "two")
	for i := range n {
		if err := c.Assign(ctx, Assignment{ID: fmt.Sprint("c", i)}); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[string]bool)
	for len(seen) < n {
		var h *Held
		select {
		case h = <-one.held:
		case h = <-two.held:
		case <-ctx.Done():
			t.Fatalf("%d of %d assignments were taken", len(seen), n)
		}
		if seen[h.Assignment().ID] {
			t.Fatalf("%s was given twice", h.Assignment().ID)
		}
		seen[h.Assignment().ID] = true
	}
}

// cutter forwards one client's connections to the server, until it is told to cut them.
type cutter struct {
	url string

	mu      sync.Mutex
	blocked bool
	open    []net.Conn
}

func newCutter(t *testing.T, s *Server) *cutter {
	t.Helper()
	a, err := readAddress(s.File())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cut := &cutter{url: "nats://" + a.User + ":" + a.Password + "@" + l.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", s.nats.Addr().String())
			cut.mu.Lock()
			if err != nil || cut.blocked {
				cut.mu.Unlock()
				in.Close()
				if err == nil {
					out.Close()
				}
				continue
			}
			cut.open = append(cut.open, in, out)
			cut.mu.Unlock()
			running.Go(func() { forward(in, out) })
			running.Go(func() { forward(out, in) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		cut.block(true)
		running.Wait()
	})
	return cut
}

func (c *cutter) block(blocked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocked = blocked
	if blocked {
		for _, conn := range c.open {
			conn.Close()
		}
		c.open = nil
	}
}

func forward(from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
