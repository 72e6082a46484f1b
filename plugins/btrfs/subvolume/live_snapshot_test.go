package subvolume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func TestSnapshotSources(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home", "root/var", "a-b")
	r.Exec("mkdir", "-p", r.FS.Path("a"), r.FS.Path("plain"))
	r.Create("a/b")
	at := filepath.Join(r.FS.Dir, "at")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(r.FS.Loop[0], at, "btrfs", 0, "subvol=root"); err != nil {
		t.Fatal(err)
	}
	take := func(sources []string, more ...rig.Inputs) sdk.Request {
		in := rig.Inputs{"sources": sources}
		for _, m := range more {
			for k, v := range m {
				in[k] = v
			}
		}
		return r.Request(1, "snapshot", in)
	}
	skip := rig.Inputs{"on_missing": "skip"}

	plan := r.Plan(take([]string{at, at + "/var", "home", "gone", at + "/gone", "plain"}))
	stamp := StampOf(r.Instants[1])
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{
		"create snapshots/root/" + stamp, "create snapshots/root-var/" + stamp, "create snapshots/home/" + stamp,
	})
	rig.Contains(t, rig.Told(plan.Diagnostics), "error [invalid] /sources/3", "error [invalid] /sources/4", `/sources/5: "plain" is a directory, not a subvolume`)
	rig.Same(t, "missing", rig.Outputs[SnapshotOutput](t, plan.Outputs).Missing, []string{"gone", at + "/gone"})
	rig.Same(t, "unknown", plan.Unknown, []string{"/snapshots/0/uuid", "/snapshots/0/transaction", "/snapshots/1/uuid", "/snapshots/1/transaction",
		"/snapshots/2/uuid", "/snapshots/2/transaction", "/atomic", "/attempts"})
	rig.Contains(t, string(plan.Changes[0].After), `"source":"root"`, `"read_only":true`, `"managed":true`, `"parent_uuid":"`+r.UUIDOf("root"))
	if r.Apply(take([]string{at, at + "/var", "home", "gone"}), plan); len(r.all()) != 8 {
		t.Errorf("subvolumes: %q", r.all())
	}

	plan = r.Plan(r.Request(2, "snapshot", rig.Inputs{"sources": []string{"root", "gone"}, "on_missing": "skip"}))
	rig.Contains(t, rig.Told(plan.Diagnostics), `warning [] /sources/1: the subvolume "gone" does not exist and is skipped`)
	for _, c := range []struct {
		request sdk.Request
		want    []string
	}{
		{take([]string{"gone", "lost"}, skip), []string{"/sources", `none of the sources exists: "gone", "lost"`, `the filesystem has "a-b", "a/b", "home", "root", "root/var"`}},
		{take([]string{"plain"}), []string{"/sources/0", "is a directory"}},
		{take([]string{r.FS.Mount}), []string{"/sources/0", "top level"}},
		{take([]string{"./"}), []string{"/sources/0", "top level"}},
		{take([]string{r.FS.Path("plain")}), []string{"/sources/0", "lies in the top level"}},
		{take([]string{"/proc"}), []string{"/sources/0", "proc"}},
		{take([]string{"a/b", "a-b"}), []string{"/sources/1", `the same folder "a-b"`}},
		{take([]string{"root", "home", at}), []string{"/sources/2", "the same subvolume"}},
		{take([]string{"root/../home"}), []string{"/sources/0", `".."`}},
		{take([]string{"root"}, rig.Inputs{"into": "/snapshots"}), []string{"/into", "path of the running system"}},
		{take([]string{"root"}, rig.Inputs{"into": ".coppice/x"}), []string{"/into", "reserved"}},
		{take([]string{"root"}, rig.Inputs{"into": "."}), []string{"/into", "top level"}},
	} {
		r.Refuses(c.request, c.want...)
	}

	// A source that is itself only planned, and one that is to go.
	create := r.Plan(r.Request(5, "create", rig.Inputs{"subvolume": "new"}))
	plan = r.Plan(r.Request(5, "snapshot", rig.Inputs{"sources": []string{"new"}}, create.Changes...))
	rig.Same(t, "of a planned source", rig.Names(plan.Changes), []string{"create snapshots/new/" + StampOf(r.Instants[5])})
	r.Run(r.Request(5, "create", rig.Inputs{"subvolume": "new"}))
	again := r.Plan(r.Request(5, "snapshot", rig.Inputs{"sources": []string{"new"}}))
	rig.Same(t, "facts", string(again.Fingerprint), string(plan.Fingerprint))
}

func TestWritableSnapshots(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	for i := range 3 {
		r.Run(r.Request(i, "snapshot", rig.Inputs{"sources": []string{"root"}, "read_only": false}))
	}
	for i := range 3 { // even when somebody changes that later
		r.Btrfs("property", "set", "-ts", r.FS.Path("snapshots/root/"+StampOf(r.Instants[i])), "ro", "true")
	}
	plan := r.Plan(r.Request(9, "prune", rig.Inputs{"last": 1}))
	if len(plan.Changes) != 0 {
		t.Errorf("changes: %q", rig.Names(plan.Changes))
	}
	rig.Contains(t, rig.Told(plan.Diagnostics), "it was taken to be written to")
}

func TestReadOnlyFilesystem(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.snapshots(2, "root")
	take := r.Request(9, "snapshot", rig.Inputs{"sources": []string{"root"}})
	plan := r.Plan(take)
	if err := unix.Mount("", r.FS.Mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	r.Refuses(take, "is read-only: no snapshot can be taken", "remount,rw")
	r.Refuses(r.Request(9, "prune", rig.Inputs{"last": 1}), "is read-only: nothing can be deleted")
	r.Refuses(r.Request(9, "create", rig.Inputs{"subvolume": "x"}), "is read-only: no subvolume can be made")
	rig.Contains(t, rig.Told(r.Apply(take, plan).Diagnostics), "is read-only")
	if n := len(r.all()); n != 3 {
		t.Errorf("%d subvolumes", n)
	}
	r.Plan(r.Request(9, "list", nil))
}

func TestFullFilesystem(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 128 << 20, MkfsArgs: []string{"--mixed"}})
	r.Create("root", "home")
	r.snapshots(3, "root", "home")
	take := r.Request(9, "snapshot", rig.Inputs{"sources": []string{"root", "home"}})
	plan := r.Plan(take)
	// Big files until nothing goes, then small ones.
	for size, n := 1<<20, 0; size >= 1<<10; n++ {
		if err := os.WriteFile(r.FS.Path("root", fmt.Sprint("file", n)), make([]byte, size), 0o600); err != nil {
			size /= 4
		}
	}
	before := r.all()
	for range 2 {
		result := r.Apply(take, plan)
		if len(result.Done) == len(plan.Changes) {
			t.Fatal("the filesystem is not full enough to refuse a snapshot")
		}
		rig.Contains(t, rig.Told(result.Diagnostics), "no space left on device", "btrfs.prune")
		out := rig.Outputs[SnapshotOutput](t, result.Outputs)
		rig.Same(t, "taken", len(out.Snapshots), len(result.Done))
		rig.Same(t, "subvolumes", len(r.all()), len(before)+len(result.Done))
		before = r.all()
	}
	q := r.Request(9, "prune", rig.Inputs{"last": 1})
	prune := r.Plan(q)
	if result := r.Apply(q, prune); len(result.Done) < 4 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("pruning a full filesystem: %v %s", result.Done, rig.Told(result.Diagnostics))
	}
}

func TestNotBtrfs(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	for _, c := range []struct {
		filesystem string
		want       []string
	}{
		{"/proc", []string{"[failed] /filesystem", "proc", "findmnt"}},
		{"/nonexistent", []string{"[failed] /filesystem", "no such file"}},
		{"UUID=01234567-89ab-cdef-0123-456789abcdef", []string{"[failed] /filesystem", "no mounted btrfs has this UUID"}},
	} {
		for _, action := range []string{"list", "list", "prune"} {
			q := r.Request(1, action, rig.Inputs{"filesystem": c.filesystem})
			if action == "prune" {
				q = r.Request(1, action, rig.Inputs{"filesystem": c.filesystem, "last": 1})
			}
			r.Refuses(q, c.want...)
			if _, err := r.Plugin.Resolve(context.Background(), q); action == "prune" && !strings.Contains(rig.Told(sdk.Diagnose(err)), c.want[0]) {
				t.Errorf("locks: %v", err)
			}
		}
	}
}
