package boottest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
)

// TestBoots boots machines with each kind of initrd, twice in a row: each time what was on the root is gone from it, and lies in the archive, once; what is
// on another subvolume stays.
func TestBoots(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	for _, kind := range []vmtest.Kind{vmtest.Systemd, vmtest.Dracut, vmtest.InitramfsTools} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			o := vmtest.Options{Base: base, Disk: newDisk(t, base), Root: root, Initrd: initrd(t, base, kind)}
			const boots = 2 // TestSteer has many of the quickest kind
			for n := 1; n <= boots; n++ {
				m := vmtest.Boot(t, o)
				arrive(t, m)
				visit(t, m, kind, n)
				if n == boots {
					m.Up()
					m.PowerOff()
				} else {
					reboot(m)
				}
			}
			count(t, boots, 0)
		})
	}
}

// visit looks at a machine in its nth boot, and leaves marks.
func visit(t *testing.T, m *vmtest.Machine, kind vmtest.Kind, n int) {
	t.Helper()
	out := m.Must("sh", "-c", "cat /mark /usr/mark; cat /persist/mark; findmnt -no FSROOT /")
	var kept strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&kept, "boot %d\n", i+1)
	}
	if want := "cat: /mark: No such file or directory\ncat: /usr/mark: No such file or directory\n" + kept.String() + "/root\n"; out != want && (n > 1 || !strings.HasSuffix(out, "/root\n")) {
		t.Errorf("boot %d: there is\n%sand not\n%s", n, out, want)
	}
	archived := top(m, "cat old_roots/*/mark 2>/dev/null || true; ls old_roots | wc -l")
	if want := fmt.Sprintf("%s%d\n", kept.String(), n); archived != want {
		t.Errorf("boot %d: the archive has\n%sand not\n%s", n, archived, want)
	}
	s := status(t, m)
	if s.LastBoot != s.Boot || s.LastResult != "rolled-back" || s.Next != "rolled-back" || s.Unconfirmed != n || s.Confirmed || len(s.Archives) != n || len(s.Foreign) != 0 || s.Unfinished != "" {
		t.Errorf("boot %d: %+v", n, s)
	}
	if len(s.Archives) > 0 {
		want := regexp.MustCompile(`(?m)step rollback: updated root: archived as ` + regexp.QuoteMeta(s.Archives[0].Path) + `$`)
		of := "--identifier=coppice"
		if kind == vmtest.InitramfsTools {
			of = "--dmesg"
		}
		log := m.Must("journalctl", "--no-pager", "-b", "-o", "cat", of)
		if !want.MatchString(log) {
			t.Errorf("boot %d: the journal does not say that the root was archived:\n%s", n, m.Must("journalctl", "--no-pager", "-b", "-g", "coppice|rollback"))
		}
	}
	m.Must("sh", "-ec", fmt.Sprintf("echo boot %d | tee /mark >/usr/mark; echo boot %d >>/persist/mark", n, n))
}
