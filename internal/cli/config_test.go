package cli

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// settle runs a command with one setting and tells what it was filled with.
func settle(t *testing.T, args, environ []string, envFile string) (port int, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if envFile != "" {
		if err := os.WriteFile(path, []byte(envFile), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &program{env: environment{process: environ}}
	var listen listenFlags
	cmd := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error { return p.fillFlags(cmd) }}
	cmd.Flags().String("env-file", path, "")
	listen.register(cmd.Flags())
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return listen.port, err
}

func TestFlagsOverrideTheEnvironmentWhichOverridesTheFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		args, environ []string
		file          string
		want          int
	}{
		{"nothing is set", nil, nil, "", 3000},
		{"the file", nil, nil, "# comment\nPORT=3001\n", 3001},
		{"the environment over the file", nil, []string{"PORT=3002"}, "PORT=3001", 3002},
		{"an empty variable is not set", nil, []string{"PORT="}, "PORT=3001", 3001},
		{"the flag over all", []string{"--port", "3003"}, []string{"PORT=3002"}, "PORT=3001", 3003},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := settle(t, c.args, c.environ, c.file); err != nil || got != c.want {
				t.Errorf("port %d, %v; want %d", got, err, c.want)
			}
		})
	}
}

func TestSettingsThatCannotBeUsedAreNamedAndTheirSecretsAreNot(t *testing.T) {
	t.Parallel()
	if _, err := settle(t, nil, []string{"PORT=http"}, ""); err == nil || exitCode(err) != ExitUsage || !strings.Contains(err.Error(), "PORT") {
		t.Errorf("PORT=http: %v", err)
	}
	if _, err := settle(t, nil, nil, "DATABASE_URL=\"postgres://u:secret@h/db\nX Y"); err == nil || exitCode(err) != ExitUsage || strings.Contains(err.Error(), "secret") {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := settle(t, nil, nil, strings.Repeat("A=1\n", maxEnvFile)); err == nil || exitCode(err) != ExitUsage {
		t.Errorf("a huge file: %v", err)
	}
	if _, err := settle(t, []string{"--env-file", "/nonexistent/settings"}, nil, ""); err == nil || exitCode(err) != ExitUsage {
		t.Errorf("a named file that is missing: %v", err)
	}
}

func TestListeningBeyondLoopbackNeedsAToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listenFlags
		mentions string
	}{
		{listenFlags{host: "0.0.0.0"}, "VELADOR_TOKEN"},
		{listenFlags{host: "::"}, "VELADOR_TOKEN"},
		{listenFlags{host: "127.0.0.1", token: "short"}, "at least"},
		{listenFlags{host: "127.0.0.1", port: 70000}, "70000"},
	} {
		if l, err := listenAs(t, &c.listenFlags); err == nil || exitCode(err) != ExitUsage || !strings.Contains(err.Error(), c.mentions) {
			t.Errorf("%+v: %v, %v", c.listenFlags, l, err)
		}
	}
	l, err := listenAs(t, &listenFlags{host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
}

func TestDataDirectoryInUseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	first, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(path); err == nil || exitCode(err) != ExitUsage || !strings.Contains(err.Error(), "another velador") {
		t.Errorf("a second one: %v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openDataDir(path)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(filepath.Join(file, "data")); err == nil || exitCode(err) != ExitUsage {
		t.Errorf("below a file: %v", err)
	}
}

// listenAs listens as serve does.
func listenAs(t *testing.T, f *listenFlags) (net.Listener, error) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	keys, err := f.keys(logger)
	if err != nil {
		return nil, err
	}
	ln, _, err := f.listen(t.Context(), keys, logger)
	return ln, err
}
