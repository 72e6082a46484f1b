//go:build man

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/install/manual"
)

// With the build tag man this is the program that writes the manual pages of the other one into a folder:
//
//	go run -tags man ./cmd/coppice VERSION SECONDS FOLDER
func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: man VERSION SECONDS FOLDER")
		os.Exit(exitUsage)
	}
	seconds, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	book := manual.Book{Version: os.Args[1], Date: time.Unix(seconds, 0), More: [][2]string{
		{"exit status", manualExits}, {"environment", manualEnvironment}, {"files", manualFiles},
	}}
	for _, p := range book.Pages((&app{configs: configDir()}).root()) {
		if err := os.WriteFile(filepath.Join(os.Args[3], p.Name+".1"), []byte(p.Text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
	}
}

const manualExits = `Codes from 64 on are those of sysexits.h.

  0    done
  1    a step failed
  2    plan --detailed-exitcode: there are changes
  3    the machine has drifted from a saved plan
  4    status, doctor: something needs attention
  64   the command line is wrong
  65   the playbook or its inputs are invalid
  69   a plugin is missing, refused or incompatible
  70   a bug in coppice
  73   what apply or resume does could not be recorded
  75   another run holds the filesystem
  77   not permitted
  124  the run timed out
  130  stopped by SIGINT, after clean-up
  143  stopped by SIGTERM, after clean-up`

const manualEnvironment = `COPPICE_CONFIG_DIR is the folder to use instead of /etc/coppice. NO_COLOR turns colours off.`

const manualFiles = `  /etc/coppice/playbooks/NAME.yaml  playbooks of this machine
  /etc/coppice/inputs/NAME.yaml     their inputs
  /etc/coppice/hold                 while it is there, nothing is deleted
  .coppice                          at the top level of each filesystem: records of runs, and what is remembered of it
  /var/lib/coppice                  records of runs that are about no btrfs`
