// Command vitrine is the whole system in one binary; see package cli.
package main

import (
	"os"

	"vitrine.dev/vitrine/internal/cli"
)

func main() { os.Exit(cli.Main()) }
