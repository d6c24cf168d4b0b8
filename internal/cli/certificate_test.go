package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"velador/internal/access"
)

// pair writes a certificate with this serial number, and its key.
func pair(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// The time of a change is told in coarse steps: two that follow at once may have the same.
		changed := time.Now().Add(time.Duration(serial) * time.Minute)
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARenewedCertificateIsTakenUpWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pair(t, certFile, keyFile, 1)
	var log bytes.Buffer
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", c.config())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // the client looks at how it went
			conn.Close()
		}
	}()
	// serial makes a handshake some seconds after the last look at the files.
	serial := func() int64 {
		t.Helper()
		c.mu.Lock()
		c.looked = time.Time{}
		c.mu.Unlock()
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d is shown", n)
	}
	pair(t, certFile, keyFile, 2)
	if n := serial(); n != 2 {
		t.Errorf("certificate %d is shown after it was renewed", n)
	}
	// Half of a renewal: the certificate is there, its key not yet.
	spare := filepath.Join(dir, "spare.pem")
	pair(t, certFile, spare, 3)
	for range 2 {
		if n := serial(); n != 2 {
			t.Errorf("certificate %d is shown while its key is another one's", n)
		}
	}
	if err := os.Rename(spare, keyFile); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 3 {
		t.Errorf("certificate %d is shown when both are there", n)
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 3 {
		t.Errorf("certificate %d is shown when its file is gone", n)
	}
	if text := log.String(); strings.Count(text, "cannot be used; the one before goes on") != 2 || strings.Count(text, "the certificate was renewed") != 2 {
		t.Errorf("the log says %s", text)
	}
	if _, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestACertificateThatCannotBeUsedIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, other := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "other.pem")
	pair(t, other, key, 1)
	pair(t, cert, other, 2)
	for name, f := range map[string]listenFlags{
		"a certificate without its key": {cert: cert},
		"a key without a certificate":   {key: key},
		"a key of another one":          {cert: cert, key: key},
		"files that are not there":      {cert: filepath.Join(dir, "none"), key: key},
		"files that are none":           {cert: dir, key: key},
	} {
		f.host = "127.0.0.1"
		ln, _, err := f.listen(context.Background(), new(access.Keys), slog.New(slog.DiscardHandler))
		if err == nil {
			ln.Close()
		}
		if err == nil || exitCode(err) != ExitUsage || errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
