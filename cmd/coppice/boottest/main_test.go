package boottest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
)

// work is the folder of what all tests share.
var work string

// TestMain lets the test binary be the server of disks whose power is cut.
func TestMain(m *testing.M) {
	if os.Args[0] == "cutdisk" {
		if err := cutdisk.Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if work, err = os.MkdirTemp("", "coppice-boottest-"); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	defer os.RemoveAll(work)
	return m.Run()
}

func server() *exec.Cmd {
	return &exec.Cmd{Path: "/proc/self/exe", Args: []string{"cutdisk"}, Stderr: os.Stderr}
}
