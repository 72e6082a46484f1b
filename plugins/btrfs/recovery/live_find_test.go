package recovery

import (
	"fmt"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

func TestFind(t *testing.T) {
	r := newRig(t)
	r.Create("root", "home")
	r.Write("home/alice/notes", "one")
	a := r.snapshot(1, "home", "root")[0]
	r.Write("home/alice/notes", "two, longer")
	b := r.snapshot(2, "home")[0]
	c := r.snapshot(3, "home")[0]
	r.sh("rm -r home/alice; btrfs -q subvolume snapshot -r home by-hand")
	r.Run(r.Request(4, "pin", rig.Inputs{"subvolumes": []string{b}, "reason": "mine"}))

	want := []string{"by-hand 0", c + " 1 11", b + " 1 11", a + " 2 3"}
	for _, path := range []string{"home/alice/notes", r.FS.Path("home/alice/notes")} {
		out := r.find(rig.Inputs{"path": path})
		var got []string
		for _, s := range out.Snapshots {
			line := fmt.Sprintf("%s %d", s.Path, s.File.Version)
			if s.File.Exists {
				line += fmt.Sprintf(" %d", s.File.Size)
			}
			got = append(got, line)
		}
		rig.Same(t, "found", got, want)
		if out.Source != "home" || out.Inside != "alice/notes" || out.Place != "home/alice/notes" || out.Now.Exists || out.Versions != 2 {
			t.Errorf("found: %s", rig.Show(out))
		}
		if out.Snapshots[2].Pinned != "pinned: mine" || !out.Snapshots[2].Managed || out.Snapshots[0].Managed || out.Snapshots[0].Source != "home" {
			t.Errorf("snapshots: %s", rig.Show(out.Snapshots))
		}
	}
	r.sh("mkdir home/alice; cp -a " + a + "/alice/notes home/alice")
	if out := r.find(rig.Inputs{"path": "home/alice/notes"}); out.Now.Version != 2 {
		t.Errorf("now: %s", rig.Show(out.Now))
	}
	if n := len(r.find(nil).Snapshots); n != 5 {
		t.Errorf("%d snapshots", n)
	}
	if n := len(r.find(rig.Inputs{"source": "root"}).Snapshots); n != 1 {
		t.Errorf("%d snapshots of root", n)
	}

	// A subvolume that is mounted elsewhere, one that is gone, an archived root.
	r.sh("mkdir mnt; mount -o subvol=home $(findmnt -no SOURCE .) mnt")
	if out := r.find(rig.Inputs{"path": r.FS.Path("mnt")}); out.Place != "home" || len(out.Snapshots) != 4 || !out.Snapshots[0].File.Exists {
		t.Errorf("a mount point: %s", rig.Show(out))
	}
	r.sh("umount mnt; mv home gone")
	if out := r.find(rig.Inputs{"path": "home/alice/notes"}); len(out.Snapshots) != 3 || out.Source != "home" {
		t.Errorf("a source that is gone: %s", rig.Show(out))
	}
	r.sh(`btrfs -q subvolume create blank; mkdir old; btrfs -q subvolume snapshot blank old/1; echo x >old/1/x; btrfs -q subvolume snapshot blank live`)
	if out := r.find(rig.Inputs{"path": "live/x"}); len(out.Snapshots) != 2 || !(out.Snapshots[0].File.Exists || out.Snapshots[1].File.Exists) {
		t.Errorf("an archived root: %s", rig.Show(out))
	}

	r.sh("ln -s home link; ln -s / outside")
	r.Refuses(r.Request(5, "find", rig.Inputs{"path": r.FS.Path("link/alice")}), "/path")
	r.Refuses(r.Request(5, "find", rig.Inputs{"path": "/proc/self"}), "/path")
	r.Refuses(r.Request(5, "find", rig.Inputs{"path": "nothing"}), "is in no subvolume")
	r.Refuses(r.Request(5, "find", rig.Inputs{"path": "x/../y"}), "..")
	r.Refuses(r.Request(5, "find", rig.Inputs{"path": "x", "source": "y"}), "/source")
	if out := r.find(rig.Inputs{"path": "live/none/etc"}); out.Snapshots[0].File.Exists {
		t.Errorf("%s", rig.Show(out))
	}
}

func TestDiff(t *testing.T) {
	r := newRig(t)
	r.Create("root")
	r.sh(`cd root; mkdir -p etc/deep/er same/dir; for f in etc/fstab etc/deep/er/x etc/gone same/dir/y; do echo 1 >$f; done; ln etc/fstab same/hard`)
	a := r.snapshot(1, "root")[0]
	r.sh(`cd root; echo 22 >>etc/fstab; rm etc/gone; mkdir etc/new; echo 333 >etc/new/z; mv etc/deep/er/x etc/deep/er/y; chmod 600 same/dir/y`)
	b := r.snapshot(2, "root")[0]
	r.sh(`cd root; truncate -s 100 etc/new/z`)

	want := []string{"removed etc/deep/er/x", "added etc/deep/er/y", "changed etc/fstab", "removed etc/gone", "added etc/new", "attributes same/dir/y", "changed same/hard"}
	for _, in := range []rig.Inputs{{"from": a}, {"from": a, "to": b}, {"from": r.UUIDOf(a), "to": "root"}} {
		out, lines := r.diff(in)
		rig.Same(t, "differences", lines, want)
		if out.Added != 2 || out.Removed != 2 || out.Changed != 2 || out.Attributes != 1 || !out.Complete || out.Differences[4].Contains != 1 {
			t.Errorf("%s", rig.Show(out))
		}
	}
	_, lines := r.diff(rig.Inputs{"from": b})
	rig.Same(t, "since the second", lines, []string{"changed etc/new/z"})
	_, lines = r.diff(rig.Inputs{"from": b, "to": a}) // backwards: not related in that way
	if len(lines) != len(want) {
		t.Errorf("backwards: %s", joined(lines...))
	}
	_, lines = r.diff(rig.Inputs{"from": a, "path": "etc/deep"})
	rig.Same(t, "below a path", lines, []string{"removed etc/deep/er/x", "added etc/deep/er/y"})
	_, lines = r.diff(rig.Inputs{"from": a, "path": "etc/fstab"})
	rig.Same(t, "of a file", lines, []string{"changed etc/fstab"})
	_, lines = r.diff(rig.Inputs{"from": a, "path": "etc/new"})
	rig.Same(t, "of a new folder", lines, []string{"added etc/new"})
	out, lines := r.diff(rig.Inputs{"from": a, "limit": 2})
	if len(lines) != 2 || out.Complete || out.Removed != 2 {
		t.Errorf("limited: %s", rig.Show(out))
	}
	r.Refuses(r.Request(5, "diff", rig.Inputs{"from": "none"}), "/from", "there is no subvolume")
	r.Refuses(r.Request(5, "diff", rig.Inputs{"from": a, "path": "none"}), "/path", "neither")
	r.Refuses(r.Request(5, "diff", rig.Inputs{"from": "root"}), "/to", "say what to compare it with")
}
