package cli

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"velador/internal/access"
)

const (
	oneToken   = "one-0123456789abcdef"
	otherToken = "other-0123456789abcdef"
)

func TestAFileOfTokensThatCannotBeUsedIsNamedAndItsTokensAreNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "comments": "# ops " + oneToken, "short": "ops 0123456789", "rights": "ops " + oneToken + " write",
		"twice": "ops " + oneToken + "\nboss " + oneToken, "long": strings.Repeat("# a long comment\n", maxTokenFile/10), "again": "ops " + otherToken,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f := listenFlags{token: otherToken, tokenFile: path}
		if keys, err := f.keys(slog.New(slog.DiscardHandler)); err == nil || exitCode(err) != ExitUsage || !strings.Contains(err.Error(), path) ||
			strings.Contains(err.Error(), oneToken) || strings.Contains(err.Error(), otherToken) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "missing"), dir} {
		f := listenFlags{tokenFile: path}
		if keys, err := f.keys(slog.New(slog.DiscardHandler)); err == nil || exitCode(err) != ExitUsage || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", path, keys, err)
		}
	}
}

func TestTokensOfAllPlacesCountAndAFileThatOthersReadIsTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("grafana "+oneToken+" read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	f := listenFlags{token: otherToken, readToken: "look-0123456789abcdef", tokenFile: path}
	for _, c := range []struct {
		mode os.FileMode
		told bool
	}{{0o600, false}, {0o400, false}, {0o640, false}, {0o604, true}} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		keys, err := f.keys(slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for token, want := range map[string]access.Visitor{
			otherToken: {Name: "token", Right: access.Full}, f.readToken: {Name: "read-token", Right: access.Read}, oneToken: {Name: "grafana", Right: access.Read},
		} {
			if v, known := keys.Who(token); !known || v != want {
				t.Errorf("%s is %+v, %v", token, v, known)
			}
		}
		if told := strings.Contains(log.String(), "chmod o="); told != c.told || strings.Contains(log.String(), oneToken) {
			t.Errorf("of a file with mode %o the log says %q", c.mode, log.String())
		}
	}
}
