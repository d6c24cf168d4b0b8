package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"velador/internal/store/postgres"
	"velador/internal/store/postgres/pgtest"
	"velador/internal/store/sqlite"
)

func TestDoctorLooksWhereTheDataWillBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "a", "b")
	d, _ := diagnose(t, missing)
	d.wants(t, "data directory", isWell, missing+" does not exist yet; velador serve makes it")
	if _, err := os.Stat(filepath.Dir(missing)); err == nil {
		t.Error("it was made")
	}
	d, code := diagnose(t, file)
	if code != ExitFailure {
		t.Errorf("exit code %d", code)
	}
	d.wants(t, "data directory", isBroken, file+" is no directory | --data-dir or VELADOR_DATA_DIR chooses another")
	d, _ = diagnose(t, filepath.Join(file, "below"))
	d.wants(t, "data directory", isBroken, "VELADOR_DATA_DIR")
	if os.Getuid() == 0 {
		return // whom nothing forbids to write
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	d, _ = diagnose(t, dir)
	d.wants(t, "data directory", isBroken, dir+" is not writable | give it to the user that runs velador")
}

func TestDiskIsJudgedByWhatIsFree(t *testing.T) {
	t.Parallel()
	for free, state := range map[uint64]string{0: isBroken, diskBroken - 1: isBroken, diskBroken: isPoor, diskPoor - 1: isPoor, diskPoor: isWell, 1 << 50: isWell} {
		if f := diskFinding(free, 1<<51); f.State != state || !strings.Contains(f.Says, "are free") || (f.Do == "") != (state == isWell) {
			t.Errorf("with %d bytes free: %+v", free, f)
		}
	}
	if f := lookAtDisk(filepath.Join(t.TempDir(), "none")); f.State != isPoor {
		t.Errorf("of no disk: %+v", f)
	}
}

func TestDoctorLooksIntoSQLite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, sqliteFile)
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := diagnose(t, dir)
	d.wants(t, "database", isPoor, "steps of its schema are pending | velador db migrate")
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, _ = diagnose(t, dir) // while it is open
	d.wants(t, "database", isWell, "SQLite in "+path+" answers; ")
	d.wants(t, "database", isWell, "the schema is up to date")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := listDir(t, dir)
	d, _ = diagnose(t, dir)
	d.wants(t, "database", isWell, "the schema is up to date")
	if after := listDir(t, dir); after != before {
		t.Errorf("it leaves %s, and there was %s", after, before)
	}

	// A page is damaged: the one that says which tables there are.
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	for i := 100; i < 4096; i++ {
		damaged[i] = 0xa5
	}
	for what, content := range map[string][]byte{"a damaged page": damaged, "a text": []byte(strings.Repeat("this is no database ", 200)), "half of it": whole[:len(whole)/2]} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		d, code := diagnose(t, dir)
		if code != ExitFailure {
			t.Errorf("%s: exit code %d", what, code)
		}
		d.wants(t, "database", isBroken, "a backup may be put in its place while no server runs")
	}
}

func listDir(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

func TestDoctorLooksIntoPostgreSQL(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	dir := t.TempDir()
	d, _ := diagnose(t, dir, "DATABASE_URL="+url)
	d.wants(t, "database", isPoor, "PostgreSQL answers; ")
	d.wants(t, "database", isPoor, "pending | velador db migrate")
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err == nil {
		_, err = db.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d, _ = diagnose(t, dir, "DATABASE_URL="+url)
	d.wants(t, "database", isWell, "the schema is up to date")
	if names := listDir(t, dir); names != "" {
		t.Errorf("beside PostgreSQL there is %s", names)
	}
}

func TestDoctorKeepsThePasswordOfADatabaseToItself(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://velador:verysecret@127.0.0.1:1/velador", "mysql://velador:verysecret@127.0.0.1/velador", "postgres://velador:verysecret@127.0.0.1:port/velador"} {
		d, code := diagnose(t, t.TempDir(), "DATABASE_URL="+url)
		if code != ExitFailure {
			t.Errorf("exit code %d", code)
		}
		d.wants(t, "database", isBroken, "DATABASE_URL is right: velador db ping")
		for _, f := range d.Checks {
			if strings.Contains(f.Says+f.Do, "verysecret") {
				t.Errorf("the password stands in %+v", f)
			}
		}
	}
}
