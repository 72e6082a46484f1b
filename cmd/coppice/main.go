//go:build !man

// Coppice executes storage playbooks: it checks, previews and runs them, step by
// step, each step an action of a plugin in a process of its own.
package main

import (
	"os"
	"runtime/debug"
)

// gcPercent is by how much memory grows between two collections of garbage. With 300 the processes section of `make bench` shows some
// megabytes more, with 80 a run takes longer.
const gcPercent = 150

func main() {
	debug.SetGCPercent(gcPercent)
	os.Exit(Main(os.Args))
}
