package btrfs

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk"
)

func TestDelete(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root", "home", "other")
	r.snapshots(3, "root", "home")
	root := func(n int) string { return "snapshots/root/" + stampOf(r.runs[n]) }
	home := func(n int) string { return "snapshots/home/" + stampOf(r.runs[n]) }
	r.btrfs("subvolume", "snapshot", "-r", r.fs.Path("root"), r.fs.Path("snapshots/root/mine"))
	r.write("snapshots/root/file", "")
	del := func(what ...string) sdk.Request { return r.request(9, "delete", inputs{"subvolumes": what}) }

	r.refuses(del(root(0), "other", "snapshots/root/mine", "snapshots/root/file", "/absolute", r.uuidOf("home"), home(0), home(1), home(2), ""),
		`/subvolumes/1: "other" is not in the folder of snapshots`,
		`/subvolumes/2: "snapshots/root/mine" is no managed snapshot: coppice has no record`,
		`/subvolumes/3: "snapshots/root/file" is a file`,
		`/subvolumes/4: "/absolute" is a path of the running system`,
		`/subvolumes/5: "home" is not in the folder`,
		`/subvolumes/8: "`+home(2)+`" is the last snapshot of "home"`,
		`/subvolumes/9: "" is the filesystem's top level`)

	prior := r.plan(del(home(1), home(0))).Changes
	r.refuses(r.request(9, "delete", inputs{"subvolumes": []string{home(2)}}, prior...), "/subvolumes/0", "the last snapshot")

	q := del(root(0), r.uuidOf(root(0)), r.uuidOf(home(1)), "snapshots/gone", "01234567-89ab-cdef-0123-456789abcdef")
	before := r.all()
	plan, result := r.run(q)
	same(t, "changes", names(plan.Changes), []string{"delete " + root(0), "delete " + home(1)})
	same(t, "done", result.Done, []int{0, 1})
	same(t, "subvolumes", r.all(), slices.DeleteFunc(before, func(p string) bool { return p == root(0) || p == home(1) }))
	if plan, _ = r.run(q); len(plan.Changes) != 0 {
		t.Errorf("it does not converge: %q", names(plan.Changes))
	}

	// One with a subvolume in it, which only a writable one can get.
	r.btrfs("property", "set", "-ts", r.fs.Path(root(1)), "ro", "false")
	r.create(root(1) + "/nested")
	r.btrfs("property", "set", "-ts", r.fs.Path(root(1)), "ro", "true")
	r.refuses(del(root(1)), "/subvolumes/0", "holds other subvolumes")
}

func TestCreate(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	q := r.request(1, "create", inputs{"subvolume": "a"})
	inner := r.request(1, "create", inputs{"subvolume": "a/b c"})
	r.refuses(inner, "/subvolume", `the parent folder "a" does not exist`)
	plan := r.plan(q)
	same(t, "inside a planned one", names(r.plan(r.request(1, "create", inputs{"subvolume": "a/b c"}, plan.Changes...)).Changes), []string{"create a/b c"})
	planned := r.plan(r.request(1, "create", inputs{"subvolume": "a"}, plan.Changes...))
	if len(planned.Changes) != 0 || len(planned.Unknown) != 1 {
		t.Errorf("a planned one: %s", show(planned))
	}
	result := r.apply(q, plan)
	out := outputs[CreateOutput](t, result.Outputs)
	if string(out.UUID) != r.uuidOf("a") || len(result.Done) != 1 {
		t.Errorf("created: %s", show(result))
	}
	result = r.apply(q, plan)
	same(t, "applied again", outputs[CreateOutput](t, result.Outputs), out)
	if len(result.Done) != 0 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("applied again: %s", show(result))
	}
	plan, result = r.run(q)
	same(t, "outputs of a second run", outputs[CreateOutput](t, result.Outputs), out)
	if len(plan.Changes) != 0 {
		t.Errorf("it does not converge: %q", names(plan.Changes))
	}
	r.run(inner)

	r.write("a/dir/file", "")
	r.exec("ln", "-s", "a", r.fs.Path("link"))
	r.btrfs("subvolume", "snapshot", "-r", r.fs.Path("a"), r.fs.Path("sealed"))
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
		r.refuses(r.request(2, "create", inputs{"subvolume": path}), "/subvolume", want)
	}
	same(t, "subvolumes", r.all(), []string{"a", "a/b c", "sealed"})
}

func TestUsage(t *testing.T) {
	r := newRig(t, loopfs.Options{MkfsArgs: []string{"-L", "a label"}})
	r.write("file", string(make([]byte, 3<<20)))
	r.exec("sync", "-f", r.fs.Mount)
	out := outputs[UsageOutput](t, r.plan(r.request(1, "usage", nil)).Outputs)
	text := r.btrfs("filesystem", "usage", "-b", r.fs.Mount)
	number := func(label string) sdk.Size {
		t.Helper()
		found := regexp.MustCompile(label + `:?\s*([0-9]+)`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("no %q in %s", label, text)
		}
		n, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return sdk.Size(n)
	}
	for label, got := range map[string]sdk.Size{
		"Device size": out.Size, "Device unallocated": out.Unallocated, `\n\s+Used`: out.Used,
		`Free \(estimated\)`: out.Free, `Data,single: Size`: out.DataSize,
	} {
		if want := number(label); got != want {
			t.Errorf("%s is %d, expected %d", label, got, want)
		}
	}
	if out.Label != "a label" || out.Devices != 1 || out.FreeRatio <= 0 || out.FreeRatio >= 1 {
		t.Errorf("%s", show(out))
	}
}

func TestList(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root", "home", "under", "under/x", "under2")
	taken := r.snapshot(0, "root")
	take := r.plan(r.request(1, "snapshot", inputs{"sources": []string{"root"}}))
	out := outputs[ListOutput](t, r.plan(r.request(1, "list", inputs{"under": "under"})).Outputs)
	if out.Count != 1 || out.Subvolumes[0].Path != "under/x" {
		t.Errorf("under: %s", show(out))
	}
	plan := r.plan(r.request(1, "list", inputs{"under": "snapshots/"}, take.Changes...))
	out = outputs[ListOutput](t, plan.Outputs)
	same(t, "unknown", plan.Unknown, []string{"/subvolumes/1/id", "/subvolumes/1/uuid"})
	for i, s := range out.Subvolumes {
		if !s.Managed || !s.ReadOnly || s.ParentUUID != r.uuidOf("root") {
			t.Errorf("snapshot %d: %s", i, show(s))
		}
	}
	if out.Count != 2 || out.Subvolumes[0].UUID != taken.Snapshots[0].UUID {
		t.Errorf("snapshots: %s", show(out))
	}
}

// Under write load a group may need several attempts, and may fail; it is never half there.
func TestGroupUnderLoad(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 512 << 20})
	sources := []string{"a", "b", "c", "d"}
	r.create(sources...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			f, err := os.Create(filepath.Join(r.fs.Mount, sources[i%4], "file"))
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
		q := r.request(n, "snapshot", inputs{"sources": sources, "require_atomic": n%2 == 0})
		result := r.apply(q, r.plan(q))
		out := outputs[SnapshotOutput](t, result.Outputs)
		attempts += out.Attempts
		switch {
		case out.Atomic && len(result.Done) == 4:
			count += 4
		case n%2 == 1 && len(result.Done) == 4 && out.Attempts == maxAttempts && !sdk.HasErrors(result.Diagnostics):
			count += 4
		case n%2 == 0 && len(result.Done) == 0 && len(out.Snapshots) == 0:
			contains(t, told(result.Diagnostics), "could not be taken in one transaction")
		default:
			t.Errorf("group %d: %s", n, show(result))
		}
	}
	t.Logf("%d attempts for 15 groups", attempts)
	cancel()
	<-done
	if n := len(r.all()); n != 4+count {
		t.Errorf("%d subvolumes, expected %d", n, 4+count)
	}
}

func TestDescribe(t *testing.T) {
	d, err := New().Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]sdk.Effect{
		"create": sdk.Writes, "delete": sdk.Destroys, "list": sdk.Reads, "prune": sdk.Destroys, "snapshot": sdk.Writes, "usage": sdk.Reads,
	}
	if len(d.Actions) != len(want) {
		t.Errorf("%d actions", len(d.Actions))
	}
	for _, a := range d.Actions {
		if a.Effect != want[a.Name] || a.Converges != (a.Name != "snapshot") || a.Summary == "" || a.Description == "" {
			t.Errorf("%s: %s", a.Name, show(a))
		}
	}
}
