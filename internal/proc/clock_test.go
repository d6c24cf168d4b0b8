package proc

import (
	"go/ast"
	"go/parser"
	source "go/token"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// A step of the wall clock can touch nothing that does not look at it: identities are ticks since
// boot, ages are of CLOCK_BOOTTIME, and pauses are timers, which are monotonic.
func TestNothingHereReadsTheWallClock(t *testing.T) {
	t.Parallel()
	files := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		file, err := parser.ParseFile(source.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch called := call.Sel.Name; called {
			case "Now", "Since", "Until", "CLOCK_REALTIME", "Gettimeofday", "ModTime":
				t.Errorf("%s uses %s", path, called)
			}
			return true
		})
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files were read: %v", files, err)
	}
}
