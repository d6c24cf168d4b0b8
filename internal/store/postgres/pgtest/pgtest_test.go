package pgtest_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"velador/internal/store/postgres/pgtest"
)

// childVar marks the test binary that TestServerEndsWithAKilledTestBinary runs and kills.
const childVar = "PGTEST_CHILD"

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, url := range []string{pgtest.Database(t), pgtest.Database(t)} {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "CREATE TABLE mine (n int)"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestRestartKeepsAddressAndData(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := pgtest.Start(t, pgtest.Config{})
	url := s.Database(t)
	run := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE TABLE kept (n int)")
	s.Restart(t)
	run("INSERT INTO kept VALUES (1)")
}

func TestServerEndsWithAKilledTestBinary(t *testing.T) {
	if os.Getenv(childVar) != "" {
		s := pgtest.Start(t, pgtest.Config{})
		pid, dir := s.Process()
		os.Stdout.WriteString("server " + strconv.Itoa(pid) + " " + dir + "\n")
		<-t.Context().Done() // until it is killed
	}
	t.Parallel()
	pgtest.Database(t) // skips without PostgreSQL
	child := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithAKilledTestBinary$", "-test.timeout=120s")
	child.Env = append(os.Environ(), childVar+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "server" {
			if pid, err = strconv.Atoi(fields[1]); err != nil {
				t.Fatal(err)
			}
			dir = fields[2]
			break
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, as it should be
	if pid == 0 {
		t.Fatal("the child started no server")
	}
	// The directory goes after the server has ended.
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the server with PID %d still has its directory", pid)
		}
	}
}
