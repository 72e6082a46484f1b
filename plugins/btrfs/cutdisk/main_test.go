package cutdisk_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// TestMain lets the test binary be the server.
func TestMain(m *testing.M) {
	if os.Args[0] == "cutdisk" {
		if err := cutdisk.Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Args[0] == "victim" {
		err := victim(os.Args[1], os.Args[2])
		fmt.Fprintln(os.Stderr, "the victim was not killed:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func server() *exec.Cmd {
	return &exec.Cmd{Path: "/proc/self/exe", Args: []string{"cutdisk"}, Stderr: os.Stderr}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fuse says what Record and Replay need.
func fuse(t *testing.T) {
	t.Helper()
	need.Root(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		need.Missing(t, "btrfs", "there is no /dev/fuse")
	}
}

// file opens a file, or makes it.
func file(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	closing(t, f)
	return f
}

func closing(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
