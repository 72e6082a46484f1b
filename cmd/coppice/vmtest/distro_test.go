package vmtest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
)

// TestInitrds boots the base by each kind of initrd. That of systemd is saved before it looks for disks, and is restored twice, as
// machines that know nothing of each other.
func TestInitrds(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	for _, kind := range []vmtest.Kind{vmtest.Systemd, vmtest.Dracut, vmtest.InitramfsTools} {
		t.Run(string(kind), func(t *testing.T) {
			o := vmtest.Options{Base: base, Disk: vmtest.NewDisk(t, base), Root: "root=LABEL=tank rootfstype=btrfs rootflags=subvol=root",
				Initrd: vmtest.Overlay(t, vmtest.GetInitrd(t, base, kind), vmtest.File{Path: "/etc/hello", Content: "hello"})}
			if kind != vmtest.Systemd {
				m := vmtest.Start(t, o)
				if out := m.Must("findmnt", "-no", "FSTYPE,FSROOT", "/"); strings.Join(strings.Fields(out), " ") != "btrfs /root" {
					t.Error(out)
				}
				m.Cut()
				return
			}
			o.Hold = true
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
				for _, file := range []string{"uuid", "boot_id"} {
					out := m.Must("cat", "/proc/sys/kernel/random/"+file)
					if seen[out] {
						t.Errorf("two machines have the same %s: %s", file, out)
					}
					seen[out] = true
				}
				m.Cut()
			}
		})
	}
}
