package boot

import (
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

func TestRollback(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.sh(`btrfs -q subvolume create blank; echo clean >blank/state
		btrfs -q subvolume snapshot blank root; echo one >root/mark; btrfs -q subvolume create root/inner; echo in >root/inner/mark
		btrfs -q subvolume create cache; chmod 1777 cache; chown 3:4 cache; chattr +C cache; echo x >cache/mark`)
	r.sync()
	in := rig.Inputs{"blank": "blank", "reset": []string{"cache"}}
	old := r.UUIDOf("root")
	out := r.rollback(1, in)
	if out.Result != rolledBack || len(out.Archived) != 2 || out.UUID != r.UUIDOf("root") || out.UUID == old {
		t.Fatalf("%s", rig.Show(out))
	}
	// Once a boot, and what nobody has written to is clean still at the next one; what somebody has is not.
	if out := r.rollback(1, in); out.Result != already || len(out.Archived) != 0 {
		t.Errorf("again: %s", rig.Show(out))
	}
	if out := r.rollback(2, in); out.Result != reused || len(r.archives()) != 2 {
		t.Errorf("unused: %s", rig.Show(out))
	}
	if r.read("root/state") != "clean\n" || r.UUIDOf(out.Archived[1].Path) != old || r.read(out.Archived[1].Path+"/inner/mark") != "in\n" ||
		!strings.HasPrefix(out.Archived[1].Path, "old_roots/root-000001-2") || !strings.HasSuffix(out.Archived[1].Path, "Z-00000001") {
		t.Errorf("%s", rig.Show(out))
	}
	if shape := r.Exec("sh", "-c", "cd "+r.FS.Mount+"; stat -c '%a %u %g' cache; ls cache; lsattr -d cache | cut -c1-20"); !strings.HasPrefix(shape, "1777 3 4\n") || !strings.Contains(shape, "C") {
		t.Errorf("%q", shape)
	}
	r.rollback(3, in)
	r.Write("cache/mark", "two")
	r.sync()
	if out := r.rollback(6, in); out.Result != rolledBack || len(out.Archived) != 1 || out.Archived[0].Place != "cache" {
		t.Errorf("half used: %s", rig.Show(out))
	}
	r.Write("root/mark", "two")
	r.sync()
	if out := r.rollback(4, in); out.Result != rolledBack || len(out.Archived) != 1 || out.Archived[0].Place != "root" {
		t.Errorf("half used: %s", rig.Show(out))
	}
	// A blank that has changed makes another root.
	r.Write("blank/new", "x")
	r.sync()
	if out := r.rollback(5, in); out.Result != rolledBack || r.read("root/new") != "x" {
		t.Errorf("another blank: %s", rig.Show(out))
	}
	r.Btrfs("check", "--readonly", "--force", r.FS.Loop[0])
}

// The same plan twice changes nothing the second time, and a plan that does not fit any more is refused.
func TestRollbackTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.Write("root/mark", "one")
	q := r.request("rollback", nil)
	p, _ := r.Run(q)
	if result := r.Apply(q, p); len(result.Done) != 0 || len(result.Diagnostics) != 0 {
		t.Errorf("%s", rig.Show(result))
	}
	r.Write("root/mark", "two")
	r.boot(2)
	q = r.request("rollback", nil)
	p = r.Plan(q)
	r.sh("mv root aside; btrfs -q subvolume create root")
	rig.Contains(t, rig.Told(r.Apply(q, p).Diagnostics), "drifted", "not as it was")
	rig.Same(t, "marks", r.marks(), []string{"one"})
}
