// Package vmtest boots virtual machines for tests: a Debian on btrfs under its own kernel and systemd, in QEMU's software
// emulation. Commands run in it through an agent, its disks are throw-away, its power can be cut, and it can be saved and
// restored in a fraction of the time that booting takes.
//
// What machines start from is built from Debian's packages when it is first needed, and kept in a cache outside of the tree. No
// machine outlives its test. Nothing of the host can be reached from one: it has no network.
//
// Words:
//
//   - Base: the kernel, its modules and a disk with Debian in subvolume root of a btrfs labelled tank. It is never written to.
//   - Disk: a copy-on-write image over the base's disk, or an image file of the test's own.
//   - Payload: files that a machine finds in /run/coppice-test from its start on.
//   - Agent: the program in the machine that runs the test's commands.
//   - State: a saved machine: its memory and devices, without its disks.
//
// See package pid1 for a systemd without a machine, which is enough for most tests and starts in half a second.
package vmtest

import (
	"os"
	"os/exec"
	"regexp"
	"time"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// patience is for whatever a machine does. Emulated, on a busy host, it does it slowly.
const patience = 10 * time.Minute

// T is the part of testing.TB that is used.
type T interface {
	need.T
	tally.T
	Cleanup(func())
	TempDir() string
	Failed() bool
}

// Need ends a test that can't have virtual machines: it is skipped, or fails if COPPICE_REQUIRE has vm.
func Need(t T) {
	t.Helper()
	need.Root(t)
	for _, program := range []string{"qemu-system-x86_64", "qemu-img", "mmdebstrap", "mkfs.btrfs", "unshare", "apt-get", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			need.Missing(t, "vm", "needs "+program)
		}
	}
}

// virtual are the processor flags without which /dev/kvm runs no ordinary kernel, even where it is there.
var virtual = regexp.MustCompile(`(?m)^flags\s*:.*\b(vmx|svm)\b`)

// accelerator is how QEMU is to run the machine, and on which processor. The plainest one boots fastest in emulation: no module
// finds an extension to measure.
func accelerator() (accel, cpu string) {
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil && virtual.Match(info) {
		if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil {
			f.Close()
			return "kvm", "host"
		}
	}
	return "tcg,thread=multi", "qemu64,-svm,+rdrand" // with random numbers from the beginning, as any server has
}
