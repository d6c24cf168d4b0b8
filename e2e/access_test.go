package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServerBeyondLoopbackWantsATokenAndSpeaksTLS runs the binary as one would on a server: on all
// addresses, with a file of tokens and a certificate of its own.
func TestServerBeyondLoopbackWantsATokenAndSpeaksTLS(t *testing.T) {
	t.Parallel()
	if _, stderr, code := velador(t, nil, "serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", t.TempDir()); code != 2 || !strings.Contains(stderr, "VELADOR_TOKEN") {
		t.Fatalf("without a token: exit code %d: %s", code, stderr)
	}
	const full, read = "full-0123456789abcdef", "read-0123456789abcdef"
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("ops "+full+"\ngrafana "+read+" read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, nil)
	server := s.serve([]string{"VELADOR_TOKEN_FILE=" + tokens, "VELADOR_TLS_CERT=" + cert, "VELADOR_TLS_KEY=" + key, "VELADOR_LOG_LEVEL=error"}, "--host", "0.0.0.0")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.url, "https://"))
	if err != nil {
		t.Fatalf("it listens on %s: %v", server.url, err)
	}
	base := "https://127.0.0.1:" + port
	env := func(token string) []string {
		return []string{"VELADOR_SERVER=" + base, "VELADOR_CA_FILE=" + cert, "VELADOR_TOKEN=" + token}
	}
	if _, stderr, code := velador(t, []string{"VELADOR_SERVER=" + base, "VELADOR_TOKEN=" + full}, "status"); code != 1 || !strings.Contains(stderr, "certificate") {
		t.Errorf("a certificate that nobody vouches for: exit code %d: %s", code, stderr)
	}
	if _, stderr, code := velador(t, env("wrong-0123456789abcdef"), "status"); code != 1 || !strings.Contains(stderr, "VELADOR_TOKEN") {
		t.Errorf("a wrong token: exit code %d: %s", code, stderr)
	}
	if stdout, stderr, code := velador(t, env(full), "start", "ETHUSDT", "1m"); code != 0 {
		t.Errorf("start: exit code %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := velador(t, env(read), "stop", "--all", "--yes"); code != 1 || !strings.Contains(stderr, "read-only") {
		t.Errorf("stop with a token that may only read: exit code %d: %s", code, stderr)
	}
	if stdout, stderr, code := velador(t, env(read), "status"); code != 0 || !strings.Contains(stdout, "ETHUSDT") {
		t.Errorf("status: exit code %d: %s%s", code, stdout, stderr)
	}

	// HTTP/2, and HTTP without TLS is no way in.
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(cert)
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(base + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != 200 {
		t.Errorf("%s %s", answer.Proto, answer.Status)
	}
	if answer, err := http.Get("http://127.0.0.1:" + port + "/api/collectors/status"); err == nil {
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode == 200 {
			t.Errorf("without TLS: %s", text)
		}
	}

	// A renewed certificate is taken up by the server that runs.
	shown := func() string {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return string(conn.ConnectionState().PeerCertificates[0].Raw)
	}
	before := shown()
	selfSigned(t, dir)
	eventually(t, "the renewed certificate is shown", 60*time.Second, func() bool { return shown() != before })
	if stdout, stderr, code := velador(t, env(full), "stop", "--all", "--yes"); code != 0 {
		t.Errorf("stop: exit code %d: %s%s", code, stdout, stderr)
	}
	server.stop()
	if log := server.output.String(); strings.Contains(log, full) || strings.Contains(log, read) || !strings.Contains(log, "audit.who=grafana") {
		t.Errorf("the log says: %s", log)
	}
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "velador"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []struct {
		name  *string
		path  string
		block pem.Block
	}{{&certFile, filepath.Join(dir, "cert.pem"), pem.Block{Type: "CERTIFICATE", Bytes: cert}}, {&keyFile, filepath.Join(dir, "key.pem"), pem.Block{Type: "PRIVATE KEY", Bytes: secret}}} {
		*file.name = file.path
		if err := os.WriteFile(file.path, pem.EncodeToMemory(&file.block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
