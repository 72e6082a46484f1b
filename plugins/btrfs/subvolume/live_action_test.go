package subvolume

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func TestDelete(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home", "other")
	r.snapshots(3, "root", "home")
	root := func(n int) string { return "snapshots/root/" + StampOf(r.Instants[n]) }
	home := func(n int) string { return "snapshots/home/" + StampOf(r.Instants[n]) }
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path("snapshots/root/mine"))
	r.Write("snapshots/root/file", "")
	del := func(what ...string) sdk.Request { return r.Request(9, "delete", rig.Inputs{"subvolumes": what}) }

	r.Refuses(del(root(0), "other", "snapshots/root/mine", "snapshots/root/file", "/absolute", r.UUIDOf("home"), home(0), home(1), home(2), ""),
		`/subvolumes/1: "other" is not in the folder of snapshots`,
		`/subvolumes/2: "snapshots/root/mine" is no managed snapshot: coppice has no record`,
		`/subvolumes/3: "snapshots/root/file" is a file`,
		`/subvolumes/4: "/absolute" is a path of the running system`,
		`/subvolumes/5: "home" is not in the folder`,
		`/subvolumes/8: "`+home(2)+`" is the last snapshot of "home"`,
		`/subvolumes/9: "" is the filesystem's top level`)

	prior := r.Plan(del(home(1), home(0))).Changes
	r.Refuses(r.Request(9, "delete", rig.Inputs{"subvolumes": []string{home(2)}}, prior...), "/subvolumes/0", "the last snapshot")

	q := del(root(0), r.UUIDOf(root(0)), r.UUIDOf(home(1)), "snapshots/gone", "01234567-89ab-cdef-0123-456789abcdef")
	before := r.all()
	plan, result := r.Run(q)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"delete " + root(0), "delete " + home(1)})
	rig.Same(t, "done", result.Done, []int{0, 1})
	rig.Same(t, "subvolumes", r.all(), slices.DeleteFunc(before, func(p string) bool { return p == root(0) || p == home(1) }))
	if plan, _ = r.Run(q); len(plan.Changes) != 0 {
		t.Errorf("it does not converge: %q", rig.Names(plan.Changes))
	}

	// One with a subvolume in it, which only a writable one can get.
	r.Btrfs("property", "set", "-ts", r.FS.Path(root(1)), "ro", "false")
	r.Create(root(1) + "/nested")
	r.Btrfs("property", "set", "-ts", r.FS.Path(root(1)), "ro", "true")
	r.Refuses(del(root(1)), "/subvolumes/0", "holds other subvolumes")
}

func TestCreate(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	q := r.Request(1, "create", rig.Inputs{"subvolume": "a"})
	inner := r.Request(1, "create", rig.Inputs{"subvolume": "a/b c"})
	r.Refuses(inner, "/subvolume", `the parent folder "a" does not exist`)
	plan := r.Plan(q)
	rig.Same(t, "inside a planned one", rig.Names(r.Plan(r.Request(1, "create", rig.Inputs{"subvolume": "a/b c"}, plan.Changes...)).Changes), []string{"create a/b c"})
	planned := r.Plan(r.Request(1, "create", rig.Inputs{"subvolume": "a"}, plan.Changes...))
	if len(planned.Changes) != 0 || len(planned.Unknown) != 1 {
		t.Errorf("a planned one: %s", rig.Show(planned))
	}
	result := r.Apply(q, plan)
	out := rig.Outputs[CreateOutput](t, result.Outputs)
	if string(out.UUID) != r.UUIDOf("a") || len(result.Done) != 1 {
		t.Errorf("created: %s", rig.Show(result))
	}
	result = r.Apply(q, plan)
	rig.Same(t, "applied again", rig.Outputs[CreateOutput](t, result.Outputs), out)
	if len(result.Done) != 0 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("applied again: %s", rig.Show(result))
	}
	plan, result = r.Run(q)
	rig.Same(t, "outputs of a second run", rig.Outputs[CreateOutput](t, result.Outputs), out)
	if len(plan.Changes) != 0 {
		t.Errorf("it does not converge: %q", rig.Names(plan.Changes))
	}
	r.Run(inner)

	r.Write("a/dir/file", "")
	r.Exec("ln", "-s", "a", r.FS.Path("link"))
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("a"), r.FS.Path("sealed"))
	for path, want := range map[string]string{
		"a/dir":        `"a/dir" exists and is a directory, not a subvolume`,
		"a/dir/file":   "is a file",
		"a/dir/file/x": `the parent folder "a/dir/file" is a file`,
		"link/x":       `the parent folder "link" is a symbolic link`,
		"link/x/y":     "symbolic link",
		"sealed/x":     `lies in the subvolume "sealed", which is read-only`,
		".":            "the top level is there already",
		".coppice/x":   "reserved",
		"/a/x":         "path of the running system",
	} {
		r.Refuses(r.Request(2, "create", rig.Inputs{"subvolume": path}), "/subvolume", want)
	}
	rig.Same(t, "subvolumes", r.all(), []string{"a", "a/b c", "sealed"})
}

func TestList(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home", "under", "under/x", "under2")
	taken := r.snapshot(0, "root")
	take := r.Plan(r.Request(1, "snapshot", rig.Inputs{"sources": []string{"root"}}))
	out := rig.Outputs[ListOutput](t, r.Plan(r.Request(1, "list", rig.Inputs{"under": "under"})).Outputs)
	if out.Count != 1 || out.Subvolumes[0].Path != "under/x" {
		t.Errorf("under: %s", rig.Show(out))
	}
	plan := r.Plan(r.Request(1, "list", rig.Inputs{"under": "snapshots/"}, take.Changes...))
	out = rig.Outputs[ListOutput](t, plan.Outputs)
	rig.Same(t, "unknown", plan.Unknown, []string{"/subvolumes/1/id", "/subvolumes/1/uuid"})
	for i, s := range out.Subvolumes {
		if !s.Managed || !s.ReadOnly || s.ParentUUID != r.UUIDOf("root") {
			t.Errorf("snapshot %d: %s", i, rig.Show(s))
		}
	}
	if out.Count != 2 || out.Subvolumes[0].UUID != taken.Snapshots[0].UUID {
		t.Errorf("snapshots: %s", rig.Show(out))
	}
}

// Under write load a group may need several attempts, and may fail; it is never half there.
func TestGroupUnderLoad(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 512 << 20})
	sources := []string{"a", "b", "c", "d"}
	r.Create(sources...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			f, err := os.Create(filepath.Join(r.FS.Mount, sources[i%4], "file"))
			if err != nil {
				return
			}
			_, _ = f.Write(make([]byte, 64<<10))
			_ = unix.Fsync(int(f.Fd()))
			if i%3 == 0 {
				_ = unix.Syncfs(int(f.Fd()))
			}
			_ = f.Close()
		}
	}()
	defer func() { cancel(); <-done }()
	count, attempts := 0, 0
	for n := range 15 {
		q := r.Request(n, "snapshot", rig.Inputs{"sources": sources, "require_atomic": n%2 == 0})
		result := r.Apply(q, r.Plan(q))
		out := rig.Outputs[SnapshotOutput](t, result.Outputs)
		attempts += out.Attempts
		switch {
		case out.Atomic && len(result.Done) == 4:
			count += 4
		case n%2 == 1 && len(result.Done) == 4 && out.Attempts == maxAttempts && !sdk.HasErrors(result.Diagnostics):
			count += 4
		case n%2 == 0 && len(result.Done) == 0 && len(out.Snapshots) == 0:
			rig.Contains(t, rig.Told(result.Diagnostics), "could not be taken in one transaction")
		default:
			t.Errorf("group %d: %s", n, rig.Show(result))
		}
	}
	t.Logf("%d attempts for 15 groups", attempts)
	cancel()
	<-done
	if n := len(r.all()); n != 4+count {
		t.Errorf("%d subvolumes, expected %d", n, 4+count)
	}
}
