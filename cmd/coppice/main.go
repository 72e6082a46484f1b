// Coppice executes storage playbooks: it checks, previews and runs them, step by
// step, each step an action of a plugin in a process of its own.
package main

import "os"

func main() {
	os.Exit(Main(os.Args))
}
