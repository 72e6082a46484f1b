// Coppice executes storage playbooks: it checks, previews and runs them, step by
// step, each step an action of a plugin in a process of its own.
package main

import (
	"os"
	"runtime/debug"
)

func main() {
	// A run is short and its memory small: collecting garbage less often saves much of
	// the runner's time at some megabytes more.
	debug.SetGCPercent(300)
	os.Exit(Main(os.Args))
}
