package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Password is the password of the server's user velador.
const Password = "pg-test-secret"

// startTimeout bounds how long a server may take to answer, on a machine that is busy.
const startTimeout = 60 * time.Second

// Config says what a server is for.
type Config struct {
	// Durable leaves fsync and its kin as PostgreSQL sets them, for measurements.
	Durable bool
	// Settings are further settings, such as "max_connections": "5".
	Settings map[string]string
}

// Server is a running PostgreSQL.
type Server struct {
	bin, dir string // of the binaries, of everything the server writes
	port     int
	config   Config
	created  atomic.Int64 // databases made so far

	watcher *exec.Cmd // the shell that is the server's parent
	orders  *os.File  // its standard input
	pid     int       // of the postmaster
	paused  []int     // processes that Pause stopped
}

// watch is the shell that starts the server and stops it: on "keep" it stops it as an
// administrator would and leaves the data, at the end of its input (when the test binary is gone)
// it stops it at once and removes all. The server is its child, so that its PID cannot be given to
// another process before the shell has waited for it.
const watch = `dir=$1; shift
"$@" </dev/null >>"$dir/log" 2>&1 &
pid=$!
echo $pid
read -r order
kill -CONT $pid $(cat /proc/$pid/task/$pid/children 2>/dev/null) 2>/dev/null
if [ "$order" = keep ]; then kill -INT $pid; else kill -QUIT $pid; fi 2>/dev/null
wait $pid
[ "$order" = keep ] || rm -rf "$dir"`

// start makes a cluster in a directory of its own and runs it.
func start(bin string, config Config) (*Server, error) {
	who, err := credential()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "velador-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, config: config}
	if err := s.initialize(who); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// The port is free when we look and may be taken before the server listens, so try others.
	for range 5 {
		if s.port, err = freePort(); err == nil {
			if err = s.launch(who); err == nil {
				return s, nil
			}
		}
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

func (s *Server) initialize(who *syscall.Credential) error {
	if err := os.WriteFile(filepath.Join(s.dir, "password"), []byte(Password+"\n"), 0o644); err != nil {
		return err
	}
	if who != nil {
		if err := os.Chown(s.dir, int(who.Uid), int(who.Gid)); err != nil {
			return err
		}
	}
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "--pgdata", filepath.Join(s.dir, "data"), "--username", "velador",
		"--auth", "scram-sha-256", "--pwfile", filepath.Join(s.dir, "password"), "--encoding", "UTF8", "--locale", "C", "--no-sync")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// launch runs the server and waits until it answers.
func (s *Server) launch(who *syscall.Credential) error {
	args := []string{"-c", watch, "sh", s.dir, filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data")}
	settings := map[string]string{"listen_addresses": "127.0.0.1", "port": strconv.Itoa(s.port), "unix_socket_directories": "", "max_connections": "200"}
	if !s.config.Durable {
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "off", "off", "off"
		// Small and quiet: tests start many of them side by side.
		settings["shared_buffers"], settings["autovacuum"], settings["max_wal_senders"], settings["wal_level"] = "16MB", "off", "0", "minimal"
	}
	for name, value := range s.config.Settings {
		settings[name] = value
	}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	input, orders, err := os.Pipe()
	if err != nil {
		return err
	}
	s.watcher, s.orders = exec.Command("/bin/sh", args...), orders
	s.watcher.Dir, s.watcher.Stdin = s.dir, input
	// A session of its own: an interrupt from the terminal reaches the test binary alone.
	s.watcher.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setsid: true}
	output, err := s.watcher.StdoutPipe()
	if err == nil {
		err = s.watcher.Start()
	}
	if err = errors.Join(err, input.Close()); err != nil {
		return errors.Join(err, orders.Close())
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err == nil {
		s.pid, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err == nil {
		err = s.awaitAnswer()
	}
	if err != nil {
		return errors.Join(err, s.end("keep"))
	}
	return nil
}

func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgconn.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		if !alive(s.pid) || ctx.Err() != nil {
			return fmt.Errorf("PostgreSQL did not start: %w\n%s", err, s.Log())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// end gives the watcher its last order and waits for it and the server.
func (s *Server) end(order string) error {
	if s.watcher == nil {
		return nil
	}
	var err error
	if order != "" {
		_, err = io.WriteString(s.orders, order+"\n")
	}
	err = errors.Join(err, s.orders.Close())
	if waitErr := s.watcher.Wait(); waitErr != nil && order == "" {
		err = errors.Join(err, fmt.Errorf("stopping PostgreSQL: %w", waitErr))
	}
	s.watcher, s.paused = nil, nil
	return err
}

// remove stops the server, if it runs, and removes its directory.
func (s *Server) remove() error {
	return errors.Join(s.end(""), os.RemoveAll(s.dir))
}

// URL gives the address of a database on the server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://velador:%s@%s/%s?sslmode=disable", Password, s.Addr(), database)
}

// Addr gives the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// PSQL gives the psql that belongs to the server.
func (s *Server) PSQL() string { return filepath.Join(s.bin, "psql") }

// Log gives the end of what the server wrote to its log.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}

// Database makes a fresh, empty database and gives its URL. A durable server, which measurements
// fill, drops it when the test ends; elsewhere it goes with the server, because to drop one makes
// PostgreSQL write out all the others.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.created.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	if s.config.Durable {
		t.Cleanup(func() {
			if s.watcher == nil || len(s.paused) > 0 {
				return // the whole server goes in a moment
			}
			if err := s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
				t.Error(err)
			}
		})
	}
	return s.URL(name)
}

// exec runs a statement as an administrator.
func (s *Server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgconn.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
