package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"velador/internal/server"
)

// TestWhatIsGeneratedIsUpToDate holds the files that are checked in against the API as it is now.
func TestWhatIsGeneratedIsUpToDate(t *testing.T) {
	t.Parallel()
	description, err := server.Describe(version)
	if err != nil {
		t.Fatal(err)
	}
	for path, write := range files {
		want, err := write(description)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", path))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what the API's description makes: run make generate\n%s", path, firstDifference(string(got), string(want)))
		}
	}
}

// firstDifference shows where two texts part.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			return "it has  " + a[i] + "\nand not " + b[i]
		}
	}
	return "one of them is longer"
}
