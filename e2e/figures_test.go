package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// TestFiguresAreDocumentedAndThoseThatAreNamedExist holds docs/OPERATION.md, the alert rules and the
// dashboard of Grafana against what a running server shows.
func TestFiguresAreDocumentedAndThoseThatAreNamedExist(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := s.serve(nil)
	start(t, server, ethBody)
	var shown []string
	// Some are shown when a collector has spoken and was measured.
	eventually(t, "a collector's figures are shown", 40*time.Second, func() bool {
		_, _, text := call(t, "GET", server.url+"/metrics", "")
		shown = nil
		for _, match := range regexp.MustCompile(`(?m)^# TYPE (velador_\w+) `).FindAllSubmatch(text, -1) {
			shown = append(shown, string(match[1]))
		}
		return regexp.MustCompile(`(?m)^velador_collector_uss_bytes\{`).Match(text) && regexp.MustCompile(`(?m)^velador_collector_last_candle_age_seconds\{`).Match(text)
	})
	documented := named(t, "../docs/OPERATION.md", "(?m)^\\| `(velador_\\w+)` \\|")
	slices.Sort(shown)
	if !slices.Equal(documented, shown) {
		t.Errorf("documented are %v\nshown are      %v", documented, shown)
	}
	for _, file := range []string{"../deploy/prometheus/velador.rules.yml", "../deploy/grafana/velador.json"} {
		for _, name := range named(t, file, `\b(velador_\w+)`) {
			// A histogram's parts have names of their own.
			if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); !slices.Contains(shown, name) && !slices.Contains(shown, base) {
				t.Errorf("%s names %s, which is not shown", filepath.Base(file), name)
			}
		}
	}
	call(t, "POST", server.url+"/api/collectors/stop-all", "")
}

// named gives what a pattern finds in a file, each once, sorted.
func named(t *testing.T, file, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		names = append(names, string(match[1]))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
