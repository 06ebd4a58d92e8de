//go:build !linux

// Command muster-load makes load on a Muster server; it needs Linux, whose epoll
// and /proc it lives on.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "muster-load needs Linux")
	os.Exit(1)
}
