package velador

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the drawing of the house: each package's floor, from the ground up. A package may
// import what stands below its floor; to add a package is to place it here.
var floors = [][]string{
	{"api", "internal/problem", "internal/access", "internal/logfile", "internal/candle", "internal/proc", "internal/backoff", "internal/apigen"},
	{"internal/collector"},
	{"internal/exchange", "internal/store", "internal/bus", "internal/klineapi"},
	{"internal/exchange/binance", "internal/store/postgres", "internal/store/sqlite", "internal/collect", "internal/supervise", "internal/ingest", "internal/simulate", "internal/verify", "internal/dashboard", "client"},
	{"internal/server", "internal/metrics"},
	{"internal/cli"},
	{"cmd/velador", "cmd/apigen"},
}

// suites are packages of tests; they may import the contract they test and what is below it, and
// only tests import them.
var suites = []string{"internal/exchange/exchangetest", "internal/store/storetest", "internal/store/postgres/pgtest", "internal/server/servertest"}

// forbidden are arrows that would point down and still be wrong.
var forbidden = map[string]string{
	"internal/simulate -> internal/exchange":    "the simulator is a second witness of the protocol: a mistake of the adapter must not cancel itself",
	"internal/klineapi -> internal/exchange":    "as for the simulator",
	"internal/server -> internal/bus":           "the server sees collectors and candles, not how messages travel",
	"internal/server -> internal/proc":          "the server signals no process",
	"internal/metrics -> internal/supervise":    "figures are asked for through an interface: who looks after collectors may be elsewhere",
	"internal/collect -> internal/store":        "a collector process holds no database",
	"internal/collect -> internal/proc":         "a collector does not supervise",
	"internal/cli -> internal/apigen":           "what writes sources and documents is no part of the product",
	"client -> internal/candle":                 "the client is public: its users see wire types only",
	"internal/store -> internal/proc":           "rows are not processes",
	"internal/supervise -> internal/klineapi":   "processes know no protocol",
	"internal/ingest -> internal/exchange":      "the writer stores what came, wherever it came from",
	"internal/exchange/binance -> internal/bus": "an adapter knows its venue only",
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	level := make(map[string]int)
	for i, floor := range floors {
		for _, pkg := range floor {
			level[pkg] = i
		}
	}
	for pkg, imports := range importsOf(t) {
		if slices.Contains(suites, pkg) || pkg == "." {
			continue
		}
		mine, placed := level[pkg]
		if !placed {
			t.Errorf("%s stands on no floor: place it in arrows_test.go", pkg)
			continue
		}
		for _, other := range imports {
			arrow := pkg + " -> " + other
			if why, ok := forbidden[arrow]; ok {
				t.Errorf("%s is forbidden: %s", arrow, why)
			}
			if slices.Contains(suites, other) {
				t.Errorf("%s: a suite of tests is imported by code", arrow)
				continue
			}
			if theirs, placed := level[other]; placed && theirs >= mine {
				t.Errorf("%s does not point down", arrow)
			}
		}
	}
}

// TestFrontPageNamesRealFiles keeps the walks of doc.go true.
func TestFrontPageNamesRealFiles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`[a-z/]+/[a-z_]+\.go`).FindAllString(string(text), -1)
	if len(named) < 8 {
		t.Fatalf("only %d files are named: %v", len(named), named)
	}
	for _, file := range named {
		if _, err := os.Stat(filepath.Join("internal", file)); err != nil {
			t.Errorf("doc.go names internal/%s: %v", file, err)
		}
	}
}

// importsOf gives, for each package of the module, the packages of the module that its code (not
// its tests) imports.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "node_modules" || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		found[pkg] = append(found[pkg], []string{}...)
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if own, ok := strings.CutPrefix(name, "velador/"); ok && !slices.Contains(found[pkg], own) {
				found[pkg] = append(found[pkg], own)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
