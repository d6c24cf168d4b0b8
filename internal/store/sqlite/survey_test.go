package sqlite_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"velador/internal/store/sqlite"
)

// contents gives the files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[entry.Name()] = string(text)
	}
	return found
}

func TestALookAtADatabaseChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "velador.db")
	if _, err := sqlite.Look(t.Context(), path); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("of no file: %v", err)
	}
	if found := contents(t, filepath.Dir(path)); len(found) != 0 {
		t.Fatalf("it made %v", found)
	}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	look := func(pending bool) {
		t.Helper()
		survey, err := sqlite.Look(t.Context(), path)
		if err != nil || len(survey.Migrations) == 0 || survey.Migrations[0].Applied.IsZero() != pending || (survey.Stock.Bytes == 0) != pending {
			t.Errorf("%+v, %v", survey, err)
		}
	}
	look(true)
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	look(false) // while it is open
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, filepath.Dir(path))
	look(false)
	if after := contents(t, filepath.Dir(path)); !maps.Equal(before, after) {
		t.Errorf("the directory held %d files and holds %d", len(before), len(after))
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Look(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no SQLite database") {
		t.Errorf("of another file: %v", err)
	}
}
