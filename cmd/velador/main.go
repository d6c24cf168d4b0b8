// Command velador keeps market-data collectors running and their candles complete. See
// velador help.
package main

import (
	"os"

	"velador/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)) }
