package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/internal/access"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

func TestDoctorAsksTheServerHowItIs(t *testing.T) {
	t.Parallel()
	serve := func(config server.Config) (*servertest.Fleet, string) {
		t.Helper()
		fleet := servertest.NewFleet(time.Now, "ETHUSDT", "BTCUSDT")
		for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
			if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: symbol, Timeframe: candle.Minute1}); err != nil {
				t.Fatal(err)
			}
		}
		config.Fleet, config.Candles, config.Logs = fleet, &servertest.Candles{}, servertest.NewLogs()
		h := httptest.NewServer(server.New(config).Handler())
		t.Cleanup(h.Close)
		return fleet, h.URL
	}
	fleet, address := serve(server.Config{})
	d, _ := diagnose(t, t.TempDir(), "VELADOR_SERVER="+address)
	d.wants(t, "server", isWell, address+" is ready")
	d.wants(t, "collectors", isWell, "2, none fails")
	fleet.Beats(1, collector.Vitals{Phase: collector.PhaseStale})
	d, _ = diagnose(t, t.TempDir(), "VELADOR_SERVER="+address)
	d.wants(t, "collectors", isPoor, "1 of 2 bring nothing: id 1 | velador logs --id 1")
	fleet.Ended(2, collector.Exit{At: time.Now(), Known: true, Code: 1, Reason: "the bus is away"}, time.Now().Add(time.Hour))
	d, code := diagnose(t, t.TempDir(), "VELADOR_SERVER="+address)
	if code != ExitFailure {
		t.Errorf("exit code %d", code)
	}
	d.wants(t, "collectors", isBroken, "1 of 2 fail again and again: id 2 | velador status --all says why; velador logs --id 2")

	_, address = serve(server.Config{Ready: []server.Check{{Name: "database", Run: func(context.Context) error { return errors.New("it is away") }}}})
	d, _ = diagnose(t, t.TempDir(), "VELADOR_SERVER="+address)
	d.wants(t, "server", isBroken, address+" is not ready: database: ")

	const token = "0123456789abcdef"
	keys := new(access.Keys)
	if err := keys.Add(access.Visitor{Name: "token", Right: access.Full}, token); err != nil {
		t.Fatal(err)
	}
	_, address = serve(server.Config{Keys: keys})
	d, _ = diagnose(t, t.TempDir(), "VELADOR_SERVER="+address)
	d.wants(t, "collectors", isPoor, "set VELADOR_TOKEN to the server's token")
	d, _ = diagnose(t, t.TempDir(), "VELADOR_SERVER="+address, "VELADOR_TOKEN="+token)
	d.wants(t, "collectors", isWell, "2, none fails")

	stranger := httptest.NewTLSServer(nil)
	defer stranger.Close()
	d, _ = diagnose(t, t.TempDir(), "VELADOR_SERVER="+stranger.URL)
	d.wants(t, "server", isPoor, "certificate")
}

func TestCollectorsThatFailAreNamedTheFirstOfThem(t *testing.T) {
	t.Parallel()
	var all []api.CollectorStatus
	for id := range int64(7) {
		all = append(all, api.CollectorStatus{ID: id + 1, Status: "error", Phase: "backoff"})
	}
	if f := collectorsFinding(all); f.Says != "7 of 7 fail again and again: id 1, 2, 3, 4, 5 and 2 more" {
		t.Errorf("%+v", f)
	}
	if f := collectorsFinding(nil); f.State != isWell || f.Says != "0, none fails" {
		t.Errorf("%+v", f)
	}
}

func TestDoctorFindsSettingsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	const token = "VELADOR_TOKEN=0123456789abcdef"
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("ops 0123456789abcdef\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		env          []string
		state, words string
	}{
		{[]string{token}, isWell, "they agree"},
		{[]string{"HOST=0.0.0.0"}, isBroken, "HOST is 0.0.0.0 and there is no token: velador serve will refuse to start | set VELADOR_TOKEN"},
		{[]string{"HOST=0.0.0.0", token}, isPoor, "clear text | set VELADOR_TLS_CERT and VELADOR_TLS_KEY"},
		{[]string{"VELADOR_TOKEN=short"}, isBroken, "at least 16"},
		{[]string{"VELADOR_READ_TOKEN=0123456789abcdef"}, isPoor, "nobody can start or stop anything"},
		{[]string{"PORT=http"}, isBroken, "PORT cannot be used"},
		{[]string{"PORT=70000"}, isBroken, "PORT is 70000 | use one from 1 to 65535"},
		{[]string{"VELADOR_TOKEN_FILE=" + filepath.Join(dir, "none")}, isBroken, "the tokens cannot be read"},
		{[]string{"VELADOR_TOKEN_FILE=" + tokens}, isPoor, "can be read by everybody | chmod o= " + tokens},
		{[]string{"VELADOR_SERVER=http://tokio-1.example:1", token}, isPoor, "commands send the token to tokio-1.example:1 in clear text | use https://"},
		{[]string{"VELADOR_TLS_CERT=" + tokens}, isBroken, ""},
	} {
		d, _ := diagnose(t, t.TempDir(), test.env...)
		what := "settings"
		if test.words == "" {
			what = "certificate"
		}
		d.wants(t, what, test.state, test.words)
	}
	if err := os.Chmod(tokens, 0o640); err != nil { // its group is velador's own, as docs/DEPLOY.md has it
		t.Fatal(err)
	}
	d, _ := diagnose(t, t.TempDir(), "VELADOR_TOKEN_FILE="+tokens)
	d.wants(t, "settings", isWell, "they agree")
	// What stands in .env is a setting too, and may be a secret.
	file := filepath.Join(dir, ".env")
	if err := os.WriteFile(file, []byte("DATABASE_URL=postgres://velador:verysecret@127.0.0.1:1/velador\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	Main([]string{"doctor", "--env-file", file, "--data-dir", dir, "--server", nobody, "--binance-rest-url", nobody}, nil, strings.NewReader(""), &out, &out)
	if !strings.Contains(out.String(), file+" holds DATABASE_URL and can be read by everybody") || !strings.Contains(out.String(), "chmod o= "+file) || strings.Contains(out.String(), "verysecret") {
		t.Errorf("of a file that others can read it says\n%s", out.String())
	}
}

// selfSigned makes a certificate for 127.0.0.1 that is good for a time.
func selfSigned(t *testing.T, dir string, from, to time.Time) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: "velador"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, IsCA: true, BasicConstraintsValid: true,
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestDoctorSaysWhenACertificateEnds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	day := 24 * time.Hour
	for _, test := range []struct {
		from, to     time.Time
		state, words string
	}{
		{now.Add(-day), now.Add(90 * day), isWell, "good until " + now.Add(90*day).UTC().Format(time.DateOnly)},
		{now.Add(-day), now.Add(10 * day), isPoor, "it ends on " + now.Add(10*day).UTC().Format(time.DateOnly) + " | renew it"},
		{now.Add(-90 * day), now.Add(-day), isBroken, "it ended on "},
		{now.Add(day), now.Add(90 * day), isBroken, "look at the clock of this machine"},
	} {
		cert, key := selfSigned(t, t.TempDir(), test.from, test.to)
		d, _ := diagnose(t, t.TempDir(), "VELADOR_TLS_CERT="+cert, "VELADOR_TLS_KEY="+key)
		d.wants(t, "certificate", test.state, test.words)
	}
	cert, _ := selfSigned(t, t.TempDir(), now, now.Add(day))
	_, key := selfSigned(t, t.TempDir(), now, now.Add(day))
	for _, env := range [][]string{{"VELADOR_TLS_CERT=" + cert}, {"VELADOR_TLS_KEY=" + key}, {"VELADOR_TLS_CERT=" + cert, "VELADOR_TLS_KEY=" + key}} {
		d, _ := diagnose(t, t.TempDir(), env...)
		d.wants(t, "certificate", isBroken, "VELADOR_TLS_")
	}
}
