package e2e

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// shownFigure is a figure as /metrics shows it, or as docs/OPERATION.md describes it.
type shownFigure struct{ kind, labels, help string }

// TestFiguresAreDocumentedAndThoseThatAreNamedExist holds docs/OPERATION.md, the alert rules and the
// dashboard of Grafana against what a running server shows: names, kinds, labels and meaning.
func TestFiguresAreDocumentedAndThoseThatAreNamedExist(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := s.serve(nil)
	start(t, server, ethBody)
	var text []byte
	// Some are shown when a collector has spoken and was measured.
	eventually(t, "a collector's figures are shown", 40*time.Second, func() bool {
		_, _, text = call(t, "GET", server.url+"/metrics", "")
		return regexp.MustCompile(`(?m)^velador_collector_uss_bytes\{`).Match(text) && regexp.MustCompile(`(?m)^velador_collector_last_candle_age_seconds\{`).Match(text)
	})
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]shownFigure)
	for name, family := range families {
		if !strings.HasPrefix(name, "velador_") {
			continue
		}
		var labels []string
		for i, metric := range family.GetMetric() {
			var own []string
			for _, label := range metric.GetLabel() {
				own = append(own, label.GetName())
			}
			slices.Sort(own)
			if i > 0 && !slices.Equal(own, labels) {
				t.Errorf("%s has the labels %v and %v", name, labels, own)
			}
			labels = own
		}
		shown[name] = shownFigure{strings.ToLower(family.GetType().String()), strings.Join(labels, " "), strings.TrimSuffix(family.GetHelp(), ".")}
	}
	page, err := os.ReadFile("../docs/OPERATION.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]shownFigure)
	for _, row := range regexp.MustCompile("(?m)^\\| `(velador_\\w+)` \\| (\\w+) \\| ([^|]*)\\| (.*) \\|$").FindAllStringSubmatch(string(page), -1) {
		labels := strings.Fields(strings.NewReplacer("`", "", ",", "").Replace(row[3]))
		slices.Sort(labels)
		documented[row[1]] = shownFigure{row[2], strings.Join(labels, " "), row[4]}
	}
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		if documented[name] != shown[name] {
			t.Errorf("%s\nis documented as %+v\nand shown as     %+v", name, documented[name], shown[name])
		}
	}
	for name := range documented {
		if _, is := shown[name]; !is {
			t.Errorf("%s is documented and not shown", name)
		}
	}
	for _, file := range []string{"../deploy/prometheus/velador.rules.yml", "../deploy/grafana/velador.json"} {
		named := namedFigures(t, file)
		if len(named) < 5 {
			t.Errorf("%s names only %v", file, named)
		}
		for name, labels := range named {
			// A histogram's parts have names of their own.
			figure, is := shown[name]
			if !is {
				figure, is = shown[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")]
			}
			if !is {
				t.Errorf("%s names %s, which is not shown", filepath.Base(file), name)
			}
			for _, label := range labels {
				if label != "instance" && label != "job" && !slices.Contains(strings.Fields(figure.labels), label) {
					t.Errorf("%s asks for %s by its %s, which it has not", filepath.Base(file), name, label)
				}
			}
		}
	}
	call(t, "POST", server.url+"/api/collectors/stop-all", "")
}

// namedFigures gives the figures that a file names, with the labels by which it selects them.
func namedFigures(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for _, match := range regexp.MustCompile(`\b(velador_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(string(text), -1) {
		found[match[1]] = append(found[match[1]], labelsIn(match[2])...)
	}
	return found
}

// labelsIn gives the labels of a selector.
func labelsIn(selector string) (labels []string) {
	for _, match := range regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`).FindAllStringSubmatch(selector, -1) {
		labels = append(labels, match[1])
	}
	return labels
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
