package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// DefaultMaxBytes bounds the file of the stream CANDLES: some four million candles.
const DefaultMaxBytes = 1 << 30

// ClientConfig says how to reach the bus: by File for the embedded server, by URL for an external one.
type ClientConfig struct {
	// File is the embedded server's address file (Server.File). It is read again at every attempt to
	// connect, because port and password may have changed. It need not exist yet.
	File string
	// URL is one or several NATS URLs separated by commas, such as nats://user:password@host:4222 or
	// tls://token@host. It is used when File is empty.
	URL string
	// Credentials is a NATS credentials file (JWT and seed), RootCA a PEM file of certificate
	// authorities, Certificate and Key the client's own; all optional, for external servers.
	Credentials, RootCA, Certificate, Key string

	Name   string       // who connects, for the server's operator
	Logger *slog.Logger // nil: slog.Default()

	// MaxBytes bounds the stream CANDLES when Provision creates or updates it; 0 is DefaultMaxBytes.
	MaxBytes int64
	// Replicas is how many servers of an external cluster keep each stream; 0 is 1.
	Replicas int
}

// Conn is a connection to the bus. It reconnects for ever. All methods are safe for concurrent use.
type Conn struct {
	cfg    ClientConfig
	log    *slog.Logger
	nats   *nats.Conn
	js     jetstream.JetStream
	closed chan struct{} // closed when the connection is

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change between connected and not
	lastErr error         // why the newest attempt failed
}

// Connect waits until the bus is reached, or until ctx ends; the error then carries the reason of
// the last failed attempt.
func Connect(ctx context.Context, cfg ClientConfig) (*Conn, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Replicas == 0 {
		cfg.Replicas = 1
	}
	if cfg.File == "" && cfg.URL == "" {
		return nil, errors.New("connect to the bus: neither a file nor a URL is given")
	}
	c := &Conn{cfg: cfg, log: cfg.Logger, closed: make(chan struct{}), changed: make(chan struct{})}
	url := cfg.URL
	options := c.options()
	if cfg.File != "" {
		file := &fileDialer{file: cfg.File}
		// The name in the URL is never looked up: the dialer knows where to go.
		url = "nats://embedded"
		options = append(options, nats.SetCustomDialer(file), nats.SkipHostLookup(), nats.IgnoreDiscoveredServers(), nats.UserInfoHandler(file.userInfo))
	}
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	c.nats = conn
	for {
		changed := c.watch()
		if conn.IsConnected() {
			break
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		}
		c.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, unavailable(fmt.Errorf("connect to the bus: %w", errors.Join(context.Cause(ctx), c.lastErr)))
	}
	if c.js, err = jetstream.New(conn); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	return c, nil
}

// options gives what all connections have in common.
func (c *Conn) options() []nats.Option {
	options := []nats.Option{
		nats.Name(c.cfg.Name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // the password may be the file's next one
		nats.CustomReconnectDelay(func(attempts int) time.Duration { return again.Draw(attempts - 1) }),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		// Nothing is kept for later while disconnected: whoever sends sends again by himself.
		nats.ReconnectBufSize(-1),
		nats.WriteBufferSize(16 << 10),
		nats.SyncQueueLen(256), // the default makes channels of half a mebibyte
		nats.ConnectHandler(func(*nats.Conn) { c.announce(nil) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if c.nats != nil && c.nats.IsClosed() {
				return
			}
			c.log.Warn("the bus is out of reach; connecting again until it answers", "error", err)
			c.announce(err)
		}),
		nats.ReconnectHandler(func(conn *nats.Conn) {
			c.log.Info("the bus is back", "url", conn.ConnectedUrlRedacted())
			c.announce(nil)
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.announce(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if sub != nil {
				c.log.Debug("bus subscription", "subject", sub.Subject, "error", err)
				return
			}
			c.log.Warn("bus connection", "error", err)
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
	}
	if c.cfg.Credentials != "" {
		options = append(options, nats.UserCredentials(c.cfg.Credentials))
	}
	if c.cfg.RootCA != "" {
		options = append(options, nats.RootCAs(c.cfg.RootCA))
	}
	if c.cfg.Certificate != "" {
		options = append(options, nats.ClientCert(c.cfg.Certificate, c.cfg.Key))
	}
	return options
}

// announce wakes all who wait for a change of the connection.
func (c *Conn) announce(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastErr = err
	close(c.changed)
	c.changed = make(chan struct{})
}

// watch gives a channel that is closed at the next change of the connection.
func (c *Conn) watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// whileConnected derives a context that ends when the connection is lost or comes back: a request
// that waits at a server is gone with the connection, and must be made again.
func (c *Conn) whileConnected(ctx context.Context) (context.Context, context.CancelFunc) {
	changed := c.watch()
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-changed:
			cancel()
		case <-c.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-stopped
	}
}

// Connected tells whether the bus can be reached at the moment.
func (c *Conn) Connected() bool { return c.nats.IsConnected() }

// Close ends the connection. What was not acknowledged is not waited for: see Publisher.Flush.
func (c *Conn) Close() {
	c.nats.Close()
	<-c.closed
}

// fileDialer dials the server that the address file names at this moment.
type fileDialer struct {
	file string

	mu   sync.Mutex
	last address
}

// Dial implements nats.CustomDialer; the address it is given means nothing.
func (d *fileDialer) Dial(network, _ string) (net.Conn, error) {
	a, err := readAddress(d.file)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.last = a
	d.mu.Unlock()
	dialer := net.Dialer{Timeout: 2 * time.Second}
	// The file is in the hands of this user; a port on loopback is all that it decides about.
	conn, err := dialer.Dial(network, net.JoinHostPort("127.0.0.1", fmt.Sprint(a.port())))
	if err != nil {
		return nil, fmt.Errorf("reach the embedded bus: %w", err)
	}
	return conn, nil
}

// userInfo gives the credentials that belong to the newest dial.
func (d *fileDialer) userInfo() (user, password string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last.User, d.last.Password
}
