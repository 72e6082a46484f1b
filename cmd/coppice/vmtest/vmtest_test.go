package vmtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
)

// TestMachine boots a machine, and tries what other tests count on: commands, a payload, what becomes of its disk, and that it can
// be saved, restored, cut and powered off.
func TestMachine(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	payload := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(payload, []byte("#!/bin/sh\necho hello from $0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := vmtest.Options{Base: base, Disk: vmtest.NewDisk(t, base), Payload: map[string]string{"hello": payload}}
	m := vmtest.Boot(t, o)
	m.Break() // before it has said a word: it is switched on again
	m.Up()
	if out := m.Must("uname", "-r"); strings.TrimSpace(out) != base.Release {
		t.Errorf("kernel %s", out)
	}
	if out := m.Must("/run/coppice-test/hello"); out != "hello from /run/coppice-test/hello\n" {
		t.Errorf("%q", out)
	}
	if out, code := m.Run("sh", "-c", "echo out; echo err >&2; exit 3"); code != 3 || len(out) != len("out\nerr\n") {
		t.Errorf("%d %q", code, out)
	}
	if _, code := m.Run("/none"); code != -1 {
		t.Errorf("exit code %d", code)
	}
	if out := m.Must("findmnt", "-no", "FSTYPE,FSROOT", "/"); strings.Join(strings.Fields(out), " ") != "btrfs /root" {
		t.Error(out)
	}
	m.Write("/srv/kept", "kept")
	m.Must("sync")
	m.Must("sh", "-c", "echo here >/run/memory")
	state := filepath.Join(t.TempDir(), "state")
	m.Save(state)

	// Twice from one state: each time on what the disk was then.
	disk, err := os.ReadFile(o.Disk)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := os.WriteFile(o.Disk, disk, 0o600); err != nil {
			t.Fatal(err)
		}
		m = vmtest.Restore(t, o, state)
		if out := m.Must("cat", "/run/memory", "/srv/kept"); out != "here\nkept" {
			t.Errorf("%q", out)
		}
		if out, code := m.Run("cat", "/srv/lost"); code == 0 {
			t.Errorf("%q", out)
		}
		m.Write("/srv/lost", "lost")
		if i == 0 {
			m.Cut()
		} else {
			m.PowerOff()
		}
	}
}
