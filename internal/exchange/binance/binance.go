// Package binance is the adapter of Binance spot: candles by REST and by stream, the catalogue and
// the clock. What it knows of the protocol is written down in EXCHANGES.md 2.
//
// It keeps the venue's times and digits, sorts and checks what comes, bounds every answer in bytes
// and in time, and draws all weight and all connection attempts from one exchange.Budget. It does
// not try again: who calls knows whether that is worth it.
package binance

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// Name is the venue's name in a candle.Series.
const Name = "binance"

// The venue's own addresses (EXCHANGES.md 2.1).
const (
	DefaultRESTURL = "https://api.binance.com"
	DefaultWSURL   = "wss://stream.binance.com:9443"
)

// Config says how to reach the venue. Everything may be left empty.
type Config struct {
	RESTURL string // DefaultRESTURL
	WSURL   string // DefaultWSURL; ws:// or wss://

	// HTTPClient carries REST and the handshakes of streams. Empty: NewHTTPClient(nil).
	HTTPClient *http.Client
	// Budget is what all processes behind one address share. Empty: a LocalBudget of its own.
	Budget exchange.Budget
	// Logger tells of frames that were refused. Empty: nothing is logged.
	Logger *slog.Logger

	RequestTimeout   time.Duration // one REST answer to its last byte; 15 s (the venue gives up after 10 s)
	CatalogueTimeout time.Duration // the same for exchangeInfo, which is megabytes; 60 s
	DialTimeout      time.Duration // a stream's handshake; 15 s
	AckTimeout       time.Duration // from the last subscription to its acknowledgement; 15 s
	// Silence is how long a connection may say nothing at all, no frame and no ping, before it
	// counts as dead; 70 s: the venue pings every 20 s (EXCHANGES.md 2.10), so three pings are missed.
	Silence time.Duration
	// MessageTimeout is how long a message may take from its first byte to its last; 10 s: a frame is
	// some 350 bytes.
	MessageTimeout time.Duration
}

// Exchange is Binance spot. It is safe for use by many goroutines.
type Exchange struct {
	config Config
	client *http.Client
	budget exchange.Budget
	log    *slog.Logger

	clock        clock
	weightHeader atomic.Pointer[string] // nil until exchangeInfo has named the window
}

var _ exchange.Exchange = (*Exchange)(nil)

// New prepares the adapter; it connects to nothing yet.
func New(config Config) *Exchange {
	or := func(value *time.Duration, otherwise time.Duration) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	or(&config.RequestTimeout, 15*time.Second)
	or(&config.CatalogueTimeout, 60*time.Second)
	or(&config.DialTimeout, 15*time.Second)
	or(&config.AckTimeout, 15*time.Second)
	or(&config.Silence, 70*time.Second)
	or(&config.MessageTimeout, 10*time.Second)
	if config.RESTURL == "" {
		config.RESTURL = DefaultRESTURL
	}
	if config.WSURL == "" {
		config.WSURL = DefaultWSURL
	}
	config.RESTURL = strings.TrimRight(config.RESTURL, "/")
	config.WSURL = strings.TrimRight(config.WSURL, "/")
	if config.HTTPClient == nil {
		config.HTTPClient = NewHTTPClient(nil)
	}
	if config.Budget == nil {
		config.Budget = exchange.NewLocalBudget(nil)
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	// The venue never redirects; a captive portal does, and what it leads to is no candle.
	client := *config.HTTPClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Exchange{config: config, client: &client, budget: config.Budget, log: config.Logger}
}

// NewHTTPClient makes a client with small buffers, for processes of which there are many: HTTP/1.1
// only, one idle connection, and that for half a minute. It reads no proxy from the environment.
// A nil roots means the system's.
func NewHTTPClient(roots *x509.CertPool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		Protocols:           protocols,
		ReadBufferSize:      4 << 10,
		WriteBufferSize:     4 << 10,
		// More than any answer has; without it an exchange could send ten megabytes of headers.
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           1,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        30 * time.Second,
	}}
}

// Name gives "binance".
func (e *Exchange) Name() string { return Name }

// CloseIdle closes the connections that REST keeps for the next request. A collector calls it when
// its back-fill is done: an idle TLS connection holds tens of kilobytes.
func (e *Exchange) CloseIdle() { e.client.CloseIdleConnections() }

// clock is the greatest time that the exchange's own clock is known to have reached.
type clock struct{ latest atomic.Int64 }

// reached notes an instant that the exchange named.
func (c *clock) reached(at candle.Millis) {
	for {
		latest := c.latest.Load()
		if int64(at) <= latest || c.latest.CompareAndSwap(latest, int64(at)) {
			return
		}
	}
}

func (c *clock) known() candle.Millis { return candle.Millis(c.latest.Load()) }
