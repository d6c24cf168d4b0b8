package velador

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryDependencyHasItsReason keeps docs/DEPENDENCIES.md in step with go.mod.
func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/DEPENDENCIES.md")
	for line := range strings.Lines(read(t, "go.mod")) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.Contains(fields[0], ".") {
			continue // not a direct requirement
		}
		// nats.go stands beside the server, under their common home.
		name := strings.TrimPrefix(strings.TrimSuffix(fields[0], "/v2"), "github.com/nats-io/")
		if !strings.Contains(page, strings.TrimSuffix(name, "/v2")) {
			t.Errorf("%s is a dependency without a reason in docs/DEPENDENCIES.md", fields[0])
		}
	}
}

// TestReadmesAreInStep compares what both languages share: headings by number, commands, links.
func TestReadmesAreInStep(t *testing.T) {
	t.Parallel()
	english, spanish := read(t, "README.md"), read(t, "README.es.md")
	for what, pattern := range map[string]string{
		"headings": `(?m)^(#+) `,
		"commands": "(?m)^(?:\\$ )?((?:\\./velador|go|curl) [^#\n]*[^# \n])",
		"links":    `\]\((docs[^)]*)\)`,
	} {
		find := func(text string) (found []string) {
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
				found = append(found, m[1])
			}
			return found
		}
		if a, b := find(english), find(spanish); !slices.Equal(a, b) || len(a) < 3 {
			t.Errorf("%s differ:\n%q\n%q", what, a, b)
		}
	}
}

// TestLinksLeadSomewhere follows every link of the documents to a file.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range slices.Concat([]string{"README.md", "README.es.md", "CHANGELOG.md"}, pages, more) {
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// TestNamedTestsExist holds the tables that name a test as evidence: a test that was renamed or is
// gone proves nothing.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	exists := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != "." {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`).FindAllStringSubmatch(read(t, path), -1) {
				exists[m[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)\\w+)`").FindAllStringSubmatch(read(t, page), -1) {
			if !exists[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}
