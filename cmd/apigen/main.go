// Command apigen writes the files that follow from the API's description: the requests of package
// client, and docs/API.md. It is run at the root of the module, by make generate.
package main

import (
	"fmt"
	"os"

	"velador/internal/apigen"
	"velador/internal/server"
)

// version stands in the description that files are made from: they follow from the API, not from a build.
const version = "generated"

// files are those that are written, by their paths in the module.
var files = map[string]func(description []byte) ([]byte, error){
	"client/requests.go": apigen.Client,
	"docs/API.md":        apigen.Page,
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "apigen:", err)
		os.Exit(1)
	}
}

func run() error {
	description, err := server.Describe(version)
	if err != nil {
		return fmt.Errorf("describing the API: %w", err)
	}
	for path, write := range files {
		data, err := write(description)
		if err != nil {
			return fmt.Errorf("making %s: %w", path, err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // sources are for everybody to read
			return err
		}
	}
	return nil
}
