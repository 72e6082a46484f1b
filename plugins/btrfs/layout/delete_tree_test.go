package layout

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func trees(recursive bool, paths ...string) rig.Inputs {
	return rig.Inputs{"subvolumes": paths, "recursive": recursive}
}

// Innermost first, through read-only ones, with odd names; what is beside it stays.
func TestDeleteTree(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	for _, name := range odd {
		r.Create(name, name+"2")
		r.Write(name+"/dir/file", "x")
		r.Create(name+"/in", name+"/dir/in", name+"/in/deep", name+"/in/deep/"+name)
		r.Btrfs("property", "set", "-ts", r.FS.Path(name), "ro", "true")
		r.Btrfs("property", "set", "-ts", r.FS.Path(name+"/in/deep"), "ro", "true")
		r.refused("delete_tree", trees(false, name), "other subvolumes (4) lie in", "recursive: true")
		ids := map[string]string{}
		for _, p := range r.listed() {
			ids[p] = r.UUIDOf(p)
		}
		p, result := r.converges("delete_tree", trees(true, name))
		rig.Same(t, "changes", rig.Names(p.Changes), []string{
			"update " + name + "/in/deep", "delete " + name + "/in/deep/" + name,
			"update " + name, "delete " + name + "/dir/in", "delete " + name + "/in/deep", "delete " + name + "/in", "delete " + name,
		})
		for _, c := range p.Changes {
			if c.Resource.ID != ids[c.Resource.Name] {
				t.Errorf("%s", rig.Show(c))
			}
		}
		if n := len(rig.Outputs[DeleteTreeOutput](t, result.Outputs).Deleted); n != 5 {
			t.Errorf("%d were deleted", n)
		}
	}
	if got := r.listed(); len(got) != len(odd) {
		t.Errorf("left: %q", got)
	}
	// What is inside may have a name that is no text.
	r.Create("outer", "outer/bad\xff\xfe", "outer/bad\xff\xfe/in")
	r.Btrfs("property", "set", "-ts", r.FS.Path("outer/bad\xff\xfe"), "ro", "true")
	r.converges("delete_tree", trees(true, "outer"))
	// By UUID, an inner one without the outer one, and each once.
	r.Create("a", "a/b", "a/b/c")
	id := r.UUIDOf("a/b/c")
	p, _ := r.converges("delete_tree", trees(false, id, "a/b/c", "none"))
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"delete a/b/c"})
	p, _ = r.converges("delete_tree", trees(true, "a/b", "a"))
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"delete a/b", "delete a"})
}

func TestDeleteTreeRefused(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "a/in", "sealed", "sealed/in", "source", "default", "pinned", "mounted")
	r.Exec("mkdir", r.FS.Path("dir"))
	r.Btrfs("property", "set", "-ts", r.FS.Path("sealed"), "ro", "true")
	r.Btrfs("subvolume", "set-default", r.FS.Path("default"))
	r.Write(volume.HoldsFolder+"/"+r.UUIDOf("pinned"), `{"who":"backup","reason":"next parent"}`)
	at := filepath.Join(r.FS.Dir, "at")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(r.FS.Loop[0], at, "btrfs", 0, "subvol=mounted"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(at, 0) })
	var snapshots []string
	for n := range 2 {
		r.Run(r.Request(n+10, "snapshot", rig.Inputs{"sources": []string{"source"}}))
	}
	for _, p := range r.listed() {
		if strings.HasPrefix(p, "snapshots/") {
			snapshots = append(snapshots, p)
		}
	}
	r.Create(".coppice/own")
	lock := r.receives("to/x", ".coppice-tmp-receive-1")
	for path, want := range map[string]string{
		"default":      "it is the default subvolume",
		"pinned":       "pinned: next parent",
		"mounted":      "mounted at",
		"source":       "it has managed snapshots (2)",
		"to":           "it is being received",
		"sealed/in":    `it lies in "sealed", which is read-only and stays`,
		"dir":          `"dir" is a directory`,
		".":            "top level",
		"/":            "path of the running system",
		"../x":         `".." in it`,
		".coppice/own": "it belongs to coppice's own records",
	} {
		r.refused("delete_tree", trees(true, "a", path), want)
	}
	r.Refuses(r.Request(1, "rename", rig.Inputs{"subvolume": "to", "to": "elsewhere"}), `"to/x/.coppice-tmp-receive-1" is being received`)
	// Nobody receives into it any more: whoever names it may have it.
	lock.Close()
	r.plans("delete_tree", trees(true, "to"))
	r.refused("delete_tree", trees(true, snapshots...), `no valid snapshot of "source" would be left`)
	p, _ := r.converges("delete_tree", trees(true, snapshots[0]))
	rig.Contains(t, p.Changes[0].Summary, "read-only snapshot of source")
	r.refused("delete_tree", trees(true, snapshots[1]), `no valid snapshot of "source" would be left`)
	if n := len(r.exec("find", r.FS.Path(".coppice/snapshots"), "-type", "f")); n != 1 {
		t.Errorf("%d records are left", n)
	}

	// A hold switch stops it, and what can't be read.
	r.Write(volume.HoldPath, "")
	p = r.plans("delete_tree", trees(true, "a"))
	if len(p.Changes) != 0 || len(p.Kept) != 2 {
		t.Errorf("%s", rig.Show(p))
	}
	rig.Contains(t, rig.Told(p.Diagnostics), "nothing is deleted: deleting is switched off")
	r.Exec("rm", r.FS.Path(volume.HoldPath))
	r.Write(volume.HoldsFolder+"/"+r.UUIDOf("a"), `{`)
	r.refused("delete_tree", trees(true, "a"), "a hold can't be read")
}

// receives makes a subvolume that is being received, until the file is closed.
func (r *testRig) receives(folder, temp string) *os.File {
	r.T.Helper()
	r.Create("to")
	if err := os.MkdirAll(r.FS.Path(folder), 0o700); err != nil {
		r.T.Fatal(err)
	}
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		r.T.Fatal(err)
	}
	defer f.Close()
	lock, err := volume.MakeClaim(f, volume.ReceivingFolder, "1.json", volume.Receiving{Folder: folder, Temp: temp})
	if err != nil {
		r.T.Fatal(err)
	}
	r.T.Cleanup(func() { lock.Close() })
	r.Create(folder + "/" + temp)
	return lock
}

func (r *testRig) exec(name string, args ...string) []string {
	r.T.Helper()
	return strings.Split(strings.TrimSpace(r.Exec(name, args...)), "\n")
}

// What comes between plan and run keeps the rest, and what was made writable is read-only again.
func TestDeleteTreeDrift(t *testing.T) {
	make3 := func(t *testing.T) (*testRig, sdk.Request, *sdk.Plan) {
		r := newRig(t, loopfs.Options{})
		r.Create("a", "a/in1", "a/in2")
		r.Btrfs("property", "set", "-ts", r.FS.Path("a"), "ro", "true")
		q := r.Request(1, "delete_tree", trees(true, "a"))
		p := r.Plan(q)
		rig.Same(t, "changes", rig.Names(p.Changes), []string{"update a", "delete a/in1", "delete a/in2", "delete a"})
		return r, q, p
	}
	readOnly := func(r *testRig) {
		r.T.Helper()
		if got := r.property("a", "ro"); got != "true" {
			r.T.Errorf("ro is %s", got)
		}
	}
	t.Run("pinned", func(t *testing.T) {
		r, q, p := make3(t)
		r.Write(volume.HoldsFolder+"/"+r.UUIDOf("a/in2"), `{"reason":"just now"}`)
		result := r.Apply(q, p)
		rig.Contains(t, rig.Told(result.Diagnostics), "drifted", `cannot delete "a/in2": pinned: just now`)
		rig.Same(t, "done", result.Done, []int{1})
		rig.Same(t, "left", r.listed(), []string{"a", "a/in2"})
		readOnly(r)
	})
	t.Run("nested meanwhile", func(t *testing.T) {
		r, q, p := make3(t)
		r.Btrfs("property", "set", "-ts", r.FS.Path("a"), "ro", "false")
		r.Create("a/in3")
		r.Btrfs("property", "set", "-ts", r.FS.Path("a"), "ro", "true")
		result := r.Apply(q, p)
		rig.Contains(t, rig.Told(result.Diagnostics), "cannot delete")
		rig.Same(t, "left", r.listed(), []string{"a", "a/in3"})
		readOnly(r)
	})
	t.Run("another one of the same name", func(t *testing.T) {
		r, q, p := make3(t)
		r.Btrfs("property", "set", "-ts", r.FS.Path("a"), "ro", "false")
		r.Exec("mv", r.FS.Path("a"), r.FS.Path("b"))
		r.Create("a")
		result := r.Apply(q, p)
		rig.Contains(t, rig.Told(result.Diagnostics), "drifted", `the subvolume is at "b" now`)
		rig.Same(t, "left", r.listed(), []string{"a", "b", "b/in1", "b/in2"})
	})
	t.Run("cancelled", func(t *testing.T) {
		r, q, p := make3(t)
		ctx, cancel := context.WithCancel(context.Background())
		result, err := r.Plugin.Apply(ctx, q, p, func(e sdk.Event) {
			if _, ok := e.(sdk.Done); ok {
				cancel()
			}
		})
		if err != nil || len(result.Done) != 1 || result.Diagnostics[0].Reason != sdk.Cancelled {
			t.Errorf("%s, %v", rig.Show(result), err)
		}
		rig.Same(t, "left", r.listed(), []string{"a", "a/in2"})
		readOnly(r)
		rig.Same(t, "the rest", len(r.Apply(q, p).Done), 3)
		rig.Same(t, "left", r.listed(), []string{})
	})
	t.Run("mounted meanwhile", func(t *testing.T) {
		r, q, p := make3(t)
		// In a namespace of its own, which nobody tells us of.
		cmd := exec.Command("unshare", "-m", "sh", "-c", `mount -o subvol=a/in2 "$1" /mnt && echo ready && cat`, "sh", r.FS.Loop[0])
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		result := r.Apply(q, p)
		in.Close()
		cmd.Wait()
		rig.Contains(t, rig.Told(result.Diagnostics), "drifted", "mounted at")
		rig.Same(t, "left", r.listed(), []string{"a", "a/in2"})
		readOnly(r)
	})
}

// In a preview what an earlier step deletes is gone.
func TestDeleteTreePreview(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "a/in")
	prior := r.plans("create", rig.Inputs{"subvolume": "a/new"}).Changes
	p := r.plans("delete_tree", trees(true, "a"), prior...)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"delete a/in", "delete a/new", "delete a"})
	rig.Same(t, "unknown", p.Unknown, []string{"/deleted/1/uuid"})
	prior = append(prior, p.Changes...)
	rig.Same(t, "list", r.listed(prior...), []string{})
	again := r.plans("create", rig.Inputs{"subvolume": "a"}, prior...)
	rig.Same(t, "again", rig.Names(again.Changes), []string{"create a"})
	r.Refuses(r.Request(1, "create", rig.Inputs{"subvolume": "a/in/x"}, prior...), "does not exist")
}

// A pin that an earlier step puts on what it makes keeps that, as it would in a run.
func TestDeleteTreePreviewOfPinned(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	prior := r.plans("create", rig.Inputs{"subvolume": "a"}).Changes
	prior = append(prior, r.plans("pin", rig.Inputs{"subvolumes": []string{"a"}, "reason": "still needed"}, prior...).Changes...)
	r.Refuses(r.Request(1, "delete_tree", trees(false, "a"), prior...), "pinned: still needed")
}
