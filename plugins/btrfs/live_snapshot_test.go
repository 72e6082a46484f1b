package btrfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk"
)

func TestSnapshotSources(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root", "home", "root/var", "a-b")
	r.exec("mkdir", "-p", r.fs.Path("a"), r.fs.Path("plain"))
	r.create("a/b")
	at := filepath.Join(r.fs.Dir, "at")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(r.fs.Loop[0], at, "btrfs", 0, "subvol=root"); err != nil {
		t.Fatal(err)
	}
	take := func(sources []string, more ...inputs) sdk.Request {
		in := inputs{"sources": sources}
		for _, m := range more {
			for k, v := range m {
				in[k] = v
			}
		}
		return r.request(1, "snapshot", in)
	}
	skip := inputs{"on_missing": "skip"}

	plan := r.plan(take([]string{at, at + "/var", "home", "gone", at + "/gone", "plain"}))
	stamp := stampOf(r.runs[1])
	same(t, "changes", names(plan.Changes), []string{
		"create snapshots/root/" + stamp, "create snapshots/root-var/" + stamp, "create snapshots/home/" + stamp,
	})
	contains(t, told(plan.Diagnostics), "error [invalid] /sources/3", "error [invalid] /sources/4", `/sources/5: "plain" is a directory, not a subvolume`)
	same(t, "missing", outputs[SnapshotOutput](t, plan.Outputs).Missing, []string{"gone", at + "/gone"})
	same(t, "unknown", plan.Unknown, []string{"/snapshots/0/uuid", "/snapshots/0/transaction", "/snapshots/1/uuid", "/snapshots/1/transaction",
		"/snapshots/2/uuid", "/snapshots/2/transaction", "/atomic", "/attempts"})
	contains(t, string(plan.Changes[0].After), `"source":"root"`, `"read_only":true`, `"managed":true`, `"parent_uuid":"`+r.uuidOf("root"))
	if r.apply(take([]string{at, at + "/var", "home", "gone"}), plan); len(r.all()) != 8 {
		t.Errorf("subvolumes: %q", r.all())
	}

	plan = r.plan(r.request(2, "snapshot", inputs{"sources": []string{"root", "gone"}, "on_missing": "skip"}))
	contains(t, told(plan.Diagnostics), `warning [] /sources/1: the subvolume "gone" does not exist and is skipped`)
	for _, c := range []struct {
		request sdk.Request
		want    []string
	}{
		{take([]string{"gone", "lost"}, skip), []string{"/sources", `none of the sources exists: "gone", "lost"`, `the filesystem has "a-b", "a/b", "home", "root", "root/var"`}},
		{take([]string{"plain"}), []string{"/sources/0", "is a directory"}},
		{take([]string{r.fs.Mount}), []string{"/sources/0", "top level"}},
		{take([]string{"./"}), []string{"/sources/0", "top level"}},
		{take([]string{r.fs.Path("plain")}), []string{"/sources/0", "lies in the top level"}},
		{take([]string{"/proc"}), []string{"/sources/0", "proc"}},
		{take([]string{"a/b", "a-b"}), []string{"/sources/1", `the same folder "a-b"`}},
		{take([]string{"root", "home", at}), []string{"/sources/2", "the same subvolume"}},
		{take([]string{"root/../home"}), []string{"/sources/0", `".."`}},
		{take([]string{"root"}, inputs{"into": "/snapshots"}), []string{"/into", "path of the running system"}},
		{take([]string{"root"}, inputs{"into": ".coppice/x"}), []string{"/into", "reserved"}},
		{take([]string{"root"}, inputs{"into": "."}), []string{"/into", "top level"}},
	} {
		r.refuses(c.request, c.want...)
	}

	// A source that is itself only planned, and one that is to go.
	create := r.plan(r.request(5, "create", inputs{"subvolume": "new"}))
	plan = r.plan(r.request(5, "snapshot", inputs{"sources": []string{"new"}}, create.Changes...))
	same(t, "of a planned source", names(plan.Changes), []string{"create snapshots/new/" + stampOf(r.runs[5])})
	r.run(r.request(5, "create", inputs{"subvolume": "new"}))
	again := r.plan(r.request(5, "snapshot", inputs{"sources": []string{"new"}}))
	same(t, "facts", string(again.Fingerprint), string(plan.Fingerprint))
}

func TestWritableSnapshots(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root")
	for i := range 3 {
		r.run(r.request(i, "snapshot", inputs{"sources": []string{"root"}, "read_only": false}))
	}
	for i := range 3 { // even when somebody changes that later
		r.btrfs("property", "set", "-ts", r.fs.Path("snapshots/root/"+stampOf(r.runs[i])), "ro", "true")
	}
	plan := r.plan(r.request(9, "prune", inputs{"last": 1}))
	if len(plan.Changes) != 0 {
		t.Errorf("changes: %q", names(plan.Changes))
	}
	contains(t, told(plan.Diagnostics), "it was taken to be written to")
}

func TestReadOnlyFilesystem(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root")
	r.snapshots(2, "root")
	take := r.request(9, "snapshot", inputs{"sources": []string{"root"}})
	plan := r.plan(take)
	if err := unix.Mount("", r.fs.Mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	r.refuses(take, "is read-only: no snapshot can be taken", "remount,rw")
	r.refuses(r.request(9, "prune", inputs{"last": 1}), "is read-only: nothing can be deleted")
	r.refuses(r.request(9, "create", inputs{"subvolume": "x"}), "is read-only: no subvolume can be made")
	contains(t, told(r.apply(take, plan).Diagnostics), "is read-only")
	if n := len(r.all()); n != 3 {
		t.Errorf("%d subvolumes", n)
	}
	r.plan(r.request(9, "usage", nil))
}

func TestFullFilesystem(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 128 << 20, MkfsArgs: []string{"--mixed"}})
	r.create("root", "home")
	r.snapshots(3, "root", "home")
	take := r.request(9, "snapshot", inputs{"sources": []string{"root", "home"}})
	plan := r.plan(take)
	// Big files until nothing goes, then small ones.
	for size, n := 1<<20, 0; size >= 1<<10; n++ {
		if err := os.WriteFile(r.fs.Path("root", fmt.Sprint("file", n)), make([]byte, size), 0o600); err != nil {
			size /= 4
		}
	}
	before := r.all()
	for range 2 {
		result := r.apply(take, plan)
		if len(result.Done) == len(plan.Changes) {
			t.Fatal("the filesystem is not full enough to refuse a snapshot")
		}
		contains(t, told(result.Diagnostics), "no space left on device", "btrfs.prune")
		out := outputs[SnapshotOutput](t, result.Outputs)
		same(t, "taken", len(out.Snapshots), len(result.Done))
		same(t, "subvolumes", len(r.all()), len(before)+len(result.Done))
		before = r.all()
	}
	q := r.request(9, "prune", inputs{"last": 1})
	prune := r.plan(q)
	if result := r.apply(q, prune); len(result.Done) < 4 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("pruning a full filesystem: %v %s", result.Done, told(result.Diagnostics))
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
		for _, action := range []string{"usage", "list", "prune"} {
			q := r.request(1, action, inputs{"filesystem": c.filesystem})
			if action == "prune" {
				q = r.request(1, action, inputs{"filesystem": c.filesystem, "last": 1})
			}
			r.refuses(q, c.want...)
			if _, err := r.plugin.Resolve(context.Background(), q); action == "prune" && !strings.Contains(told(sdk.Diagnose(err)), c.want[0]) {
				t.Errorf("locks: %v", err)
			}
		}
	}
}
