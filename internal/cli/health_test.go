package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"velador/internal/server"
	"velador/internal/server/servertest"
)

func TestHealthAsksTheServerOfTheSameSettings(t *testing.T) {
	t.Parallel()
	answers := func(ready error) *server.Server {
		return server.New(server.Config{
			Fleet: servertest.NewFleet(time.Now), Candles: &servertest.Candles{}, Logs: servertest.NewLogs(),
			Ready: []server.Check{{Name: "bus", Run: func(context.Context) error { return nil }}, {Name: "database", Run: func(context.Context) error { return ready }}},
		})
	}
	well := httptest.NewServer(answers(nil).Handler())
	defer well.Close()
	ill := httptest.NewServer(answers(errors.New("it is away")).Handler())
	defer ill.Close()
	secure := httptest.NewTLSServer(answers(nil).Handler())
	defer secure.Close()
	wrong := httptest.NewServer(http.NotFoundHandler())
	defer wrong.Close()
	port := func(s *httptest.Server) string {
		_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
		return "PORT=" + port
	}
	for _, test := range []struct {
		name string
		env  []string
		args []string
		code int
		out  string
		says string
	}{
		{"by PORT", []string{port(well)}, nil, ExitOK, well.URL + " is ready\n", ""},
		{"that listens everywhere", []string{port(well), "HOST=0.0.0.0"}, nil, ExitOK, well.URL + " is ready\n", ""},
		{"everywhere, in IPv6", []string{port(well), "HOST=::"}, nil, ExitOK, well.URL + " is ready\n", ""},
		{"by another name", []string{port(well), "HOST=localhost"}, nil, ExitOK, strings.Replace(well.URL, "127.0.0.1", "localhost", 1) + " is ready\n", ""},
		{"over TLS, whose certificate has another name", []string{port(secure), "VELADOR_TLS_CERT=x", "VELADOR_TLS_KEY=x"}, nil, ExitOK, secure.URL + " is ready\n", ""},
		{"named, so TLS is checked", []string{"VELADOR_SERVER=" + secure.URL}, nil, ExitFailure, "", "certificate"},
		{"by VELADOR_SERVER before PORT", []string{port(ill), "VELADOR_SERVER=" + well.URL}, nil, ExitOK, well.URL + " is ready\n", ""},
		{"by the flag before all", []string{port(ill), "VELADOR_SERVER=" + ill.URL}, []string{"--server", well.URL}, ExitOK, well.URL + " is ready\n", ""},
		{"a token is not shown to it", []string{port(well), "VELADOR_TOKEN=wrong-0123456789"}, nil, ExitOK, well.URL + " is ready\n", ""},
		{"that is not ready", []string{port(ill)}, nil, ExitFailure, "", "velador: " + ill.URL + ": database: not available: the server's log says more\n"},
		{"that is another program", []string{port(wrong)}, nil, ExitFailure, "", "404"},
		{"that is not there", []string{"PORT=1"}, nil, ExitFailure, "", "velador: http://127.0.0.1:1: connect: connection refused\n"},
		{"that cannot be", []string{"VELADOR_SERVER=nonsense"}, nil, ExitUsage, "", "nonsense"},
	} {
		var out, said strings.Builder
		code := Main(append([]string{"health", "--env-file", os.DevNull}, test.args...), append([]string{"LANG=en_US.UTF-8"}, test.env...), strings.NewReader(""), &out, &said)
		if code != test.code || out.String() != test.out || !strings.Contains(said.String(), test.says) || (code != ExitOK) != (said.Len() > 0) {
			t.Errorf("a server %s: exit code %d, %q, %q", test.name, code, out.String(), said.String())
		}
	}
	for address, want := range map[string]health{well.URL: {Ready: true, Server: well.URL}, ill.URL: {Server: ill.URL, Reason: "database: not available: the server's log says more"}} {
		out, said, code := run(t, "health", "--json", "--server", address)
		var got health
		if err := json.Unmarshal([]byte(out), &got); err != nil || got != want || said != "" || (code == ExitOK) != want.Ready {
			t.Errorf("as JSON: exit code %d, %s%s (%v)", code, out, said, err)
		}
	}
}
