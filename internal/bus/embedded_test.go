package bus

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"velador/internal/problem"
)

func TestThePortAndThePasswordAreKeptFromStartToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startTestServer(t, dir)
	before, err := os.ReadFile(first.File())
	if err != nil {
		t.Fatal(err)
	}
	first.Shutdown()
	second := startTestServer(t, dir)
	after, err := os.ReadFile(second.File())
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("the address changed from %s to %s", before, after)
	}
	info, err := os.Stat(second.File())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the address file has mode %v: others can read the password", info.Mode().Perm())
	}
}

func TestAClientFindsAServerThatHadToChangeItsPort(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	first := startTestServer(t, dir)
	log := newRecorder(t)
	c := connectTest(t, ClientConfig{File: first.File(), Logger: logTo(log)})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	old := first.URL()
	changed := c.watch()
	first.Shutdown()
	<-changed
	squatter, err := net.Listen("tcp", strings.TrimPrefix(old, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	second := startTestServer(t, dir)
	if second.URL() == old {
		t.Fatal("the server listens on a port that is taken")
	}
	log.await(ctx, "the bus is back")
	p := newTestPublisher(t, c, PublisherConfig{})
	if err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
}

func TestAClientFollowsAChangedPassword(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	first := startTestServer(t, dir)
	log := newRecorder(t)
	c := connectTest(t, ClientConfig{File: first.File(), Logger: logTo(log)})
	first.Shutdown()
	log.await(ctx, "the bus is out of reach")
	if err := os.WriteFile(first.File(), []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	startTestServer(t, dir) // it writes a new file
	log.await(ctx, "the bus is back")
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestAStrangerIsTurnedAway(t *testing.T) {
	t.Parallel()
	s := startTestServer(t, t.TempDir())
	ctx, cancel := contextOf(t, 3*time.Second)
	defer cancel()
	_, err := Connect(ctx, ClientConfig{URL: strings.Replace(s.URL(), "//", "//velador:guess@", 1), Logger: testLogger(t)})
	if problem.CodeOf(err) != problem.CodeBusUnavailable || !strings.Contains(err.Error(), "Authorization") {
		t.Errorf("got %v", err)
	}
}

func TestAnExternalServerIsReachedByURL(t *testing.T) {
	t.Parallel()
	s := startTestServer(t, t.TempDir())
	a, err := readAddress(s.File())
	if err != nil {
		t.Fatal(err)
	}
	c := connectTest(t, ClientConfig{URL: strings.Replace(s.URL(), "//", "//"+a.User+":"+a.Password+"@", 1)})
	if err := c.Provision(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedStreamsStopTheStartWithAWordOfWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startTestServer(t, dir)
	c := connectTest(t, ClientConfig{File: s.File()})
	if err := c.Provision(testContext(t)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.Shutdown()
	meta := filepath.Join(dir, "jetstream", "$G", "streams", streamCandles, "meta.inf")
	if err := os.WriteFile(meta, []byte(`{"name":`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartServer(ServerConfig{Dir: dir, Logger: testLogger(t)})
	if err == nil || !strings.Contains(err.Error(), streamCandles) || !strings.Contains(err.Error(), "move the directory away") {
		t.Errorf("got %v", err)
	}
}

func TestADirectoryThatIsAFileStopsTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartServer(ServerConfig{Dir: dir, Logger: testLogger(t)})
	if err == nil || !strings.Contains(err.Error(), "cannot be used") {
		t.Errorf("got %v", err)
	}
}

// serveUntilKilled is this test binary as a server process.
func serveUntilKilled(dir string) {
	if _, err := StartServer(ServerConfig{Dir: dir, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	select {}
}

// startServerProcess starts the server in a process of its own; kill ends it as kill -9 does.
func startServerProcess(t *testing.T, dir string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BUS_TEST_SERVER="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed: that is its error
		}
	}
	t.Cleanup(kill)
	return kill
}

func TestNothingAcknowledgedIsLostWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	kill := startServerProcess(t, dir)
	c := connectTest(t, ClientConfig{File: filepath.Join(dir, FileName)})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, c, PublisherConfig{Window: 64})
	const rounds, each = 3, 400
	for round := range rounds {
		for i := range each {
			if err := p.Candle(ctx, testSeries, testCandle(round*each+i)); err != nil {
				t.Fatal(err)
			}
		}
		kill() // with up to 64 candles under way
		kill = startServerProcess(t, dir)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	kill() // with nothing under way: all of it is acknowledged
	startServerProcess(t, dir)
	all := fetchCandles(t, newTestConsumer(t, c), rounds*each)
	last := -1
	for _, got := range all {
		n := int(got.Trades)
		if !got.Equal(testCandle(n)) {
			t.Fatalf("candle %d came as %+v", n, got)
		}
		if n > last+1 {
			t.Fatalf("candle %d came before candle %d", n, last+1)
		}
		last = max(last, n)
	}
}
