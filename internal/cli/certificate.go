package cli

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateEvery is how often it is looked whether a certificate has been renewed.
const certificateEvery = 5 * time.Second

// certificate is a pair of files that may be renewed while the server runs. A pair that cannot be read
// then is told, and the one before goes on.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	of     [2]time.Time // when the files of the pair were changed
	looked time.Time
	told   bool // that the newest files cannot be read
}

// loadCertificate reads a pair of files.
func loadCertificate(cert, key string, logger *slog.Logger) (*certificate, error) {
	if cert == "" || key == "" {
		return nil, usagef("a certificate needs its key: give both --tls-cert and --tls-key")
	}
	c := &certificate{cert: cert, key: key, log: logger, looked: time.Now()}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, usagef("the certificate %s with the key %s cannot be used: %w", cert, key, err)
	}
	c.pair, c.of = &pair, c.changed()
	return c, nil
}

// config is how TLS is spoken with it.
func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

func (c *certificate) changed() (of [2]time.Time) {
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			of[i] = info.ModTime()
		}
	}
	return of
}

// get gives the pair for a handshake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateEvery {
		c.looked = now
		if of := c.changed(); of != c.of {
			c.renew(of)
		}
	}
	return c.pair, nil
}

// renew reads the files again. Where that fails it is tried again at the next look: they may be written
// one after the other.
func (c *certificate) renew(of [2]time.Time) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		if !c.told {
			c.log.Warn("the renewed certificate cannot be used; the one before goes on", "file", c.cert, "error", err)
		}
		c.told = true
		return
	}
	c.pair, c.of, c.told = &pair, of, false
	c.log.Info("the certificate was renewed", "file", c.cert)
}
