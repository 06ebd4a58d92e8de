// Muster is a self-hosted team voice tool: the server and its command line in
// one binary. See package internal/cli.
package main

import (
	"os"

	"muster/internal/cli"
)

func main() { os.Exit(cli.Main()) }
