package bus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// SyncInterval is how often the embedded server hands its files to the disk; see the package's
// comment for what that means. A power failure costs at most this much work, which is done again.
const SyncInterval = 10 * time.Second

// startTimeout bounds the wait for the port after the streams have been recovered.
const startTimeout = 10 * time.Second

// FileName is the name of the file in ServerConfig.Dir that tells clients where the server is.
const FileName = "bus.json"

// ServerConfig says where an embedded server keeps its files.
type ServerConfig struct {
	// Dir holds the streams and FileName. It is created when missing, readable by its owner only. One
	// server at a time uses it; whoever starts the server sees to that.
	Dir    string
	Logger *slog.Logger // nil: slog.Default()
}

// Server is an embedded NATS server with JetStream. It listens on the loopback address only. When it
// could not write its files, as on a full disk, it starts itself anew as soon as there is room (see
// revive.go): of itself it would never write again.
type Server struct {
	cfg     ServerConfig
	file    string
	trouble chan struct{} // gets a token when the server complains of its disk
	stop    chan struct{} // closed by Shutdown
	ended   chan struct{} // closed when keep has ended
	once    sync.Once

	mu   sync.Mutex
	nats *server.Server // the one that runs, or ran last
	at   address
}

// address is the content of FileName.
type address struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// StartServer starts the server and waits until it can be used. The port is a free one at the first
// start and is kept for later starts, so that collectors which outlived the server find it again;
// when somebody else holds it, another one is taken. Clients read FileName at every attempt.
func StartServer(cfg ServerConfig) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the bus's directory: %w", err)
	}
	file := filepath.Join(cfg.Dir, FileName)
	kept, err := readAddress(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		cfg.Logger.Warn("the bus's address file is damaged; a new one is written", "file", file, "error", err)
	}
	if err != nil {
		kept = address{User: "velador", Password: rand.Text()}
	}
	s := &Server{
		cfg: cfg, file: file, at: kept,
		trouble: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := s.launch(); err != nil {
		return nil, err
	}
	go s.keep()
	return s, nil
}

// launch starts the server at the port that was kept, or at another one, and tells clients where.
func (s *Server) launch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	port := s.at.port()
	if port > 0 && !isFree(port) {
		s.cfg.Logger.Warn("the bus's port is taken by another program; another one is used", "port", port)
		port = 0
	}
	nats, err := s.start(port)
	var taken *portError
	if errors.As(err, &taken) { // somebody was quicker
		nats, err = s.start(0)
	}
	if err != nil {
		return err
	}
	s.nats, s.at.URL = nats, "nats://"+nats.Addr().String()
	if err := writeAddress(s.file, s.at); err != nil {
		halt(nats)
		return err
	}
	return nil
}

// File is the path of the file that ClientConfig.File asks for.
func (s *Server) File() string { return s.file }

// URL is where the server listens, without credentials.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at.URL
}

// Shutdown stops the server and waits until its files are written and closed.
func (s *Server) Shutdown() {
	s.once.Do(func() { close(s.stop) })
	<-s.ended
	halt(s.running())
}

// running gives the server that runs, or ran last.
func (s *Server) running() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nats
}

// halt stops a server and waits until its files are written and closed.
func halt(nats *server.Server) {
	nats.Shutdown()
	nats.WaitForShutdown()
}

// portError: the server could not listen.
type portError struct{ text string }

func (e *portError) Error() string { return e.text }

// start runs a server on a port; 0 lets the kernel choose one.
func (s *Server) start(port int) (*server.Server, error) {
	if port == 0 {
		port = server.RANDOM_PORT
	}
	dir := s.cfg.Dir
	log := &serverLog{log: s.cfg.Logger, fatal: make(chan string, 1), trouble: s.trouble}
	nats, err := server.NewServer(&server.Options{
		ServerName: "velador",
		Host:       "127.0.0.1",
		Port:       port,
		Username:   s.at.User,
		Password:   s.at.Password,
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   dir,
		// The streams have bounds of their own (Provision). A bound of the server below what was
		// reserved at an earlier start would refuse to recover them.
		JetStreamMaxStore:      1 << 50,
		JetStreamMaxMemory:     64 << 20,
		SyncInterval:           SyncInterval,
		DisableJetStreamBanner: true,
		WriteDeadline:          10 * time.Second,
		// One process restarts many collectors at once: they all connect in the same second.
		AuthTimeout: 10,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the embedded bus: %w", err)
	}
	nats.SetLoggerV2(log, false, false, false)
	nats.Start() // returns when the streams are recovered and the port is open, or after a fatal word
	select {
	case failure := <-log.fatal:
		halt(nats)
		if strings.Contains(failure, "listening on port") {
			return nil, &portError{text: "start the embedded bus: " + failure}
		}
		return nil, damaged(dir, failure)
	default:
	}
	if !nats.ReadyForConnections(startTimeout) {
		halt(nats)
		return nil, fmt.Errorf("the embedded bus was not ready within %s", startTimeout)
	}
	if err := checkRecovered(nats, dir, log); err != nil {
		halt(nats)
		return nil, err
	}
	return nats, nil
}

// damaged tells a person what to do about files that the server cannot use.
func damaged(dir, detail string) error {
	return fmt.Errorf("the bus's files in %s cannot be used (%s). Make sure that the directory belongs to you and its disk has room; "+
		"if the files are damaged, move the directory away and start again: candles that were not in the database yet are fetched again, and wanted collectors are started again",
		filepath.Join(dir, "jetstream"), detail)
}

// checkRecovered compares the streams on disk with those that the server brought back. The server
// itself leaves a damaged stream aside with a line in its log, and a later Provision would make an
// empty one in its place.
func checkRecovered(nats *server.Server, dir string, log *serverLog) error {
	paths, err := filepath.Glob(filepath.Join(dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", "[^.]*"))
	if err != nil || len(paths) == 0 { // only a malformed pattern is an error
		return err
	}
	detail, err := nats.JszAccount(&server.JSzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Streams: true})
	if err != nil {
		return damaged(dir, err.Error()+log.detail())
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if !slices.ContainsFunc(detail.Streams, func(s server.StreamDetail) bool { return s.Name == name }) {
			return damaged(dir, "the stream "+name+" was not recovered"+log.detail())
		}
	}
	return nil
}

// isFree tells whether nobody listens on a loopback port.
func isFree(port int) bool {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// port gives the port in the URL, 0 when there is none.
func (a address) port() int {
	u, err := url.Parse(a.URL)
	if err != nil {
		return 0
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}

// readAddress reads FileName.
func readAddress(file string) (address, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return address{}, fmt.Errorf("read the bus's address: %w", err)
	}
	return parseAddress(content)
}

// parseAddress reads the content of FileName.
func parseAddress(content []byte) (address, error) {
	var a address
	if err := json.Unmarshal(content, &a); err != nil {
		return address{}, fmt.Errorf("read the bus's address: %w", err)
	}
	if a.User == "" || a.Password == "" || a.port() == 0 {
		return address{}, errors.New("read the bus's address: url, user or password is missing")
	}
	return a, nil
}

// writeAddress replaces FileName in one step: a reader sees the old content or the new one.
func writeAddress(file string, a address) (err error) {
	content, err := json.Marshal(a) //nolint:gosec // this file is how clients get the password
	if err != nil {
		return fmt.Errorf("encode the bus's address: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".bus-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the bus's address: %w", err)
	}
	_, err = temp.Write(append(content, '\n'))
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write the bus's address: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

// serverLog hands the server's words to slog. Notices are details of the embedded part, so they are
// debug lines; what is fatal is reported by StartServer.
type serverLog struct {
	log     *slog.Logger
	fatal   chan string
	trouble chan<- struct{} // gets a token for a complaint of the disk

	mu   sync.Mutex
	last string // the newest warning or error: the reason when a stream is not recovered
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("bus: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.HasPrefix(text, "Plaintext passwords") { // it is random and lives in a file of mode 0600
		return
	}
	l.keep(text)
	l.log.Warn("bus: " + text)
}

func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.keep(text)
	if !isOfDisk(text) {
		l.log.Error("bus: " + text)
		return
	}
	l.log.Debug("bus: " + text) // Server.keep tells it, once
	select {
	case l.trouble <- struct{}{}:
	default:
	}
}

func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

func (l *serverLog) Debugf(string, ...any) {}

func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) keep(text string) {
	l.mu.Lock()
	l.last = text
	l.mu.Unlock()
}

func (l *serverLog) detail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return ""
	}
	return ": " + strings.TrimSpace(l.last)
}
