// Coppice-plugin-rsync is a plugin for coppice that mirrors folders with rsync, as an example of a plugin around a program that can tell
// beforehand what it would do.
//
// rsync decides what differs, in Plan by a dry run and in Apply for real: the changes of a plan are the lines that it prints.
package main

import "github.com/hbohlen/coppice/sdk/serve"

func main() { serve.Run(New()) }
