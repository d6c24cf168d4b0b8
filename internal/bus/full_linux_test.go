package bus

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// smallDisk mounts a file system of so many bytes that ends with the test. fill takes all room that is
// left on it, until free is called.
func smallDisk(t *testing.T, size string) (dir string, fill func() (free func())) {
	t.Helper()
	skip := func(why string) {
		if os.Getenv("CI_REQUIRE") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if os.Geteuid() != 0 {
		skip("file systems are mounted by root only")
	}
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=700,size="+size, "velador-test", dir).CombinedOutput(); err != nil {
		skip("no file system can be mounted: " + string(out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return dir, func() func() {
		t.Helper()
		ballast := filepath.Join(dir, "ballast")
		file, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		for block := bytes.Repeat([]byte{1}, 4096); err == nil; {
			_, err = file.Write(block)
		}
		_ = file.Close() // it is full, and was to be
		return func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAServerOnAFullDiskTakesCandlesAgainWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir, fill := smallDisk(t, "16m")
	serverLog, clientLog := newRecorder(t), newRecorder(t)
	s, err := StartServer(ServerConfig{Dir: dir, Logger: logTo(serverLog)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	c := connectTest(t, ClientConfig{File: s.File(), Logger: logTo(clientLog)})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	const stored, n = 100, 500
	p := newTestPublisher(t, c, PublisherConfig{})
	send := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := p.Candle(ctx, testSeries, testCandle(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, stored)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	consumer := newTestConsumer(t, c)
	inHand, err := consumer.Fetch(ctx, stored)
	if err != nil {
		t.Fatal(err)
	}
	free := fill()
	send(stored, n)
	clientLog.await(ctx, "does not take candles")
	serverLog.await(ctx, "the bus cannot write its files")
	free()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := consumer.Commit(ctx, inHand); err != nil {
		t.Log(err) // they come again
	}
	seen := make(map[int64]bool)
	for batch := inHand; ; {
		for _, d := range batch {
			if d.Err != nil || !d.Candle.Equal(testCandle(int(d.Candle.Trades))) {
				t.Fatalf("a candle came as %+v", d)
			}
			seen[d.Candle.Trades] = true
		}
		if len(seen) == n {
			break
		}
		if batch, err = consumer.Fetch(ctx, n); err != nil {
			t.Fatalf("after %d of %d candles: %v", len(seen), n, err)
		}
		if err := consumer.Commit(ctx, batch); err != nil {
			t.Log(err)
		}
	}
	serverLog.await(ctx, "the bus writes its files again")
	clientLog.await(ctx, "the bus takes candles again")
	for text, log := range map[string]*recorder{
		"the bus cannot write its files": serverLog, "the bus writes its files again": serverLog,
		"the bus does not take candles": clientLog, "the bus takes candles again": clientLog,
	} {
		if told := log.count(text); told != 1 {
			t.Errorf("%q was told %d times", text, told)
		}
	}
	// On a busy machine the embedded part may have a word about that; hundreds of messages found no room.
	if told := serverLog.count(""); told > 10 {
		t.Errorf("the server's log has %d lines", told)
	}
}
