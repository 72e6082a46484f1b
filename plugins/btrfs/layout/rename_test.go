package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func TestRename(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("archive")
	for _, name := range odd {
		r.Create(name)
		r.Write(name+"/file", name)
		id := r.UUIDOf(name)
		for _, to := range []string{name + "2", "archive/" + name} {
			from := name
			if strings.HasPrefix(to, "archive") {
				from = name + "2"
			}
			p, _ := r.converges("rename", rig.Inputs{"subvolume": from, "to": to})
			rig.Same(t, "changes", rig.Names(p.Changes), []string{"update " + from})
			rig.Same(t, "output", rig.Outputs[RenameOutput](t, p.Outputs), RenameOutput{Path: to, UUID: sdk.UUID(id)})
			if got := r.UUIDOf(to); got != id {
				t.Errorf("%q is %s, not %s", to, got, id)
			}
		}
		if data, err := os.ReadFile(r.FS.Path("archive/" + name + "/file")); err != nil || string(data) != name {
			t.Errorf("%q: %q, %v", name, data, err)
		}
	}
}

func TestRenameRefused(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "a/nested", "b", "sealed", "sealed/in", "source")
	r.Exec("mkdir", r.FS.Path("folder"))
	r.Exec("ln", "-s", "folder", r.FS.Path("link"))
	r.Btrfs("property", "set", "-ts", r.FS.Path("sealed"), "ro", "true")
	r.Run(r.Request(0, "snapshot", rig.Inputs{"sources": []string{"source"}}))
	managed := ""
	for _, p := range r.listed() {
		if strings.HasPrefix(p, "snapshots/") {
			managed = p
		}
	}
	for _, c := range []struct{ from, to, want string }{
		{"none", "x", `there is no subvolume "none"`},
		{"folder", "x", `"folder" is a directory, not a subvolume`},
		{"a", "b", `a subvolume "b" exists already`},
		{"a", "folder", `"folder" exists and is a directory`},
		{"a", "link/x", "symbolic link"},
		{"a", "none/x", `the parent folder "none" does not exist`},
		{"a", "a/nested/x", `inside of "a" itself`},
		{"a", ".coppice/x", "reserved"},
		{".coppice", "x", "reserved"},
		{"a", "/x", "path of the running system"},
		{".", "x", "the top level"},
		{"a", "sealed/x", `lies in the subvolume "sealed", which is read-only`},
		{"sealed/in", "x", `lies in the subvolume "sealed", which is read-only`},
		{"sealed", "a/sealed", "moves a read-only subvolume into no other folder"},
		{"sealed", "folder/sealed", "moves a read-only subvolume into no other folder"},
		{managed, "x", "is a managed snapshot"},
	} {
		r.refused("rename", rig.Inputs{"subvolume": c.from, "to": c.to}, c.want)
	}
	r.refused("rename", rig.Inputs{"subvolume": "a", "to": "x", "uuid": r.UUIDOf("b")}, "/uuid", "has UUID")
	r.converges("rename", rig.Inputs{"subvolume": "sealed", "to": "sealed2"}) // in the same folder
	// Known by its UUID it has been renamed, whatever has its old path by now.
	rig.Same(t, "renamed", len(r.plans("rename", rig.Inputs{"subvolume": "a", "to": "b", "uuid": r.UUIDOf("b")}).Changes), 0)
	// What holds managed snapshots stays where it is too.
	r.Create("wrap")
	r.Exec("mkdir", r.FS.Path("wrap/source"))
	r.Btrfs("property", "set", "-ts", r.FS.Path(managed), "ro", "false")
	moved := "wrap/source/" + filepath.Base(managed)
	r.Exec("mv", r.FS.Path(managed), r.FS.Path(moved))
	r.Btrfs("property", "set", "-ts", r.FS.Path(moved), "ro", "true")
	r.refused("rename", rig.Inputs{"subvolume": "wrap", "to": "x"}, `managed snapshots lie in "wrap"`, moved)
}

// The kernel itself says no where a plan is overtaken.
func TestRenameDrift(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "b")
	q := r.Request(1, "rename", rig.Inputs{"subvolume": "a", "to": "c"})
	p := r.Plan(q)
	r.Create("c")
	rig.Contains(t, rig.Told(r.Apply(q, p).Diagnostics), "file exists")
	r.Btrfs("subvolume", "delete", r.FS.Path("c"))
	r.Btrfs("subvolume", "delete", r.FS.Path("a"))
	r.Create("a")
	rig.Contains(t, rig.Told(r.Apply(q, p).Diagnostics), "drifted", "UUID")
	r.Exec("mount", "-o", "remount,ro", r.FS.Mount)
	r.refused("rename", rig.Inputs{"subvolume": "a", "to": "d"}, "is read-only")
	r.Exec("mount", "-o", "remount,rw", r.FS.Mount)
}

func TestRenameWarns(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "a/in")
	at := filepath.Join(r.FS.Dir, "at")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(r.FS.Loop[0], at, "btrfs", 0, "subvol=a/in"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(at, 0) })
	r.Run(r.Request(0, "snapshot", rig.Inputs{"sources": []string{"a"}}))
	p, _ := r.Run(r.Request(1, "rename", rig.Inputs{"subvolume": "a", "to": "b"}))
	rig.Contains(t, rig.Told(p.Diagnostics), `"a/in" is mounted at`, `"a" has snapshots (1)`)
	if err := os.WriteFile(at+"/file", nil, 0o600); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(r.FS.Path("b/in/file")); err != nil {
		t.Errorf("the mount has not followed: %v", err)
	}
}

// Later steps of a preview see the new path, with all that is below it, and nothing at the old one.
func TestRenamePreview(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "a/in", "z")
	r.Exec("mkdir", r.FS.Path("a/dir"))
	r.Write("a/in/file", "")
	prior := r.plans("rename", rig.Inputs{"subvolume": "a", "to": "z/b"}).Changes
	rig.Same(t, "list", r.listed(prior...), []string{"z", "z/b", "z/b/in"})
	step := func(action string, in rig.Inputs) {
		t.Helper()
		prior = append(prior, r.plans(action, in, prior...).Changes...)
	}
	step("rename", rig.Inputs{"subvolume": "z/b/in", "to": "in"})
	snap := r.plans("snapshot", rig.Inputs{"sources": []string{"z/b", "in"}}, prior...)
	if len(snap.Changes) != 2 || len(snap.Diagnostics) != 0 {
		t.Errorf("%s", rig.Show(snap))
	}
	r.Refuses(r.Request(1, "snapshot", rig.Inputs{"sources": []string{"a"}}, prior...), "none of the sources exists", `"z/b"`)
	step("create", rig.Inputs{"subvolume": "z/b/dir/new"})
	step("create", rig.Inputs{"subvolume": "a"})
	step("rename", rig.Inputs{"subvolume": "z", "to": "y"})
	step("property", rig.Inputs{"path": "in/file", "no_cow": true})
	rig.Same(t, "list", r.listed(prior...), []string{"a", "in", "y", "y/b", "y/b/dir/new"})
	for _, in := range []string{"a/dir/x", "z/b/dir/x"} { // there is a folder of that path on disk now, or was in the preview
		q := r.Request(1, "create", rig.Inputs{"subvolume": in}, prior...)
		r.Refuses(q, "does not exist")
	}
	if n := len(r.plans("rename", rig.Inputs{"subvolume": "a2", "to": "in"}, prior...).Changes); n != 0 {
		t.Errorf("%d changes", n)
	}
	rig.Same(t, "nothing has happened", r.listed(), []string{"a", "a/in", "z"})
	for _, c := range prior { // the same really happens
		if c.Resource.Scope == "" || c.Resource.Type == volume.FilesystemType {
			t.Errorf("%s", rig.Show(c))
		}
	}
	for _, s := range []struct {
		action string
		in     rig.Inputs
	}{
		{"rename", rig.Inputs{"subvolume": "a", "to": "z/b"}}, {"rename", rig.Inputs{"subvolume": "z/b/in", "to": "in"}},
		{"create", rig.Inputs{"subvolume": "z/b/dir/new"}}, {"create", rig.Inputs{"subvolume": "a"}},
		{"rename", rig.Inputs{"subvolume": "z", "to": "y"}}, {"property", rig.Inputs{"path": "in/file", "no_cow": true}},
	} {
		p, _ := r.Run(r.Request(1, s.action, s.in))
		if rig.Names(p.Changes)[0] != string(prior[0].Kind)+" "+prior[0].Resource.Name || len(p.Changes) != 1 {
			t.Errorf("the run does %q, the preview %s %s", rig.Names(p.Changes), prior[0].Kind, prior[0].Resource.Name)
		}
		prior = prior[1:]
	}
	rig.Same(t, "list", r.listed(), []string{"a", "in", "y", "y/b", "y/b/dir/new"})
}

func TestSetDefault(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "with space")
	get := func() string {
		return strings.TrimSpace(r.Btrfs("subvolume", "get-default", r.FS.Mount))
	}
	p, result := r.converges("set_default", rig.Inputs{"subvolume": "with space"})
	rig.Contains(t, get(), "path with space")
	rig.Same(t, "output", rig.Outputs[SetDefaultOutput](t, result.Outputs), SetDefaultOutput{Previous: "/", Default: "with space", UUID: sdk.UUID(r.UUIDOf("with space"))})
	rig.Contains(t, string(p.Changes[0].Before), `"default":"/"`)
	r.converges("set_default", rig.Inputs{"subvolume": "a"})
	rig.Contains(t, get(), "path a")
	// In a preview the choice holds for later steps: the old one can go, the new one can't.
	prior := r.plans("set_default", rig.Inputs{"subvolume": "with space"}).Changes
	if n := len(r.plans("set_default", rig.Inputs{"subvolume": "with space"}, prior...).Changes); n != 0 {
		t.Errorf("%d changes", n)
	}
	if n := len(r.plans("delete_tree", rig.Inputs{"subvolumes": []string{"a"}}, prior...).Changes); n != 1 {
		t.Errorf("%d changes", n)
	}
	r.Refuses(r.Request(1, "delete_tree", rig.Inputs{"subvolumes": []string{"with space"}}, prior...), "default subvolume")
	r.refused("delete_tree", rig.Inputs{"subvolumes": []string{"a"}}, "default subvolume")
	fresh := r.plans("create", rig.Inputs{"subvolume": "fresh"}).Changes
	fresh = append(fresh, r.plans("set_default", rig.Inputs{"subvolume": "fresh"}, fresh...).Changes...)
	if n := len(r.plans("set_default", rig.Inputs{"subvolume": "fresh"}, fresh...).Changes); n != 0 {
		t.Errorf("%d changes", n)
	}
	r.converges("set_default", rig.Inputs{"subvolume": "."})
	rig.Contains(t, get(), "ID 5")
	r.refused("set_default", rig.Inputs{"subvolume": "none"}, `there is no subvolume "none"`)
}
