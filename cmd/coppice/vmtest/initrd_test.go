package vmtest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
)

// TestInitrd boots the base by an initrd with systemd. It is saved before it looks for disks, and is restored twice, as machines that know nothing
// of each other. The other kinds are booted by package boottest.
func TestInitrd(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	o := vmtest.Options{Base: base, Disk: vmtest.NewDisk(t, base), Root: "root=LABEL=tank rootfstype=btrfs rootflags=subvol=root", Hold: true,
		Initrd: vmtest.Overlay(t, vmtest.GetInitrd(t, base, vmtest.Systemd), vmtest.File{Path: "/etc/hello", Content: "hello"})}
	m := vmtest.Boot(t, o)
	m.AwaitHold()
	if out := m.Must("cat", "/etc/hello"); out != "hello" {
		t.Errorf("%q", out)
	}
	state := filepath.Join(t.TempDir(), "state")
	m.Save(state)
	seen := map[string]bool{}
	for range 2 {
		o.Disk = vmtest.NewDisk(t, base)
		m = vmtest.Restore(t, o, state)
		m.Go()
		m.Up()
		if out := m.Must("findmnt", "-no", "FSTYPE,FSROOT", "/"); strings.Join(strings.Fields(out), " ") != "btrfs /root" {
			t.Error(out)
		}
		for _, file := range []string{"uuid", "boot_id"} {
			out := m.Must("cat", "/proc/sys/kernel/random/"+file)
			if seen[out] {
				t.Errorf("two machines have the same %s: %s", file, out)
			}
			seen[out] = true
		}
		m.Cut()
	}
}
