package layout

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

func entries(all ...rig.Inputs) rig.Inputs { return rig.Inputs{"subvolumes": all} }

// On an empty filesystem, with those that others lie in after them in the list.
func TestLayout(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	in := entries(
		rig.Inputs{"path": "a/in/deep", "no_cow": true},
		rig.Inputs{"path": "a/in", "mode": "2750", "uid": 123, "gid": 456},
		rig.Inputs{"path": "a", "compression": "zstd"},
		rig.Inputs{"path": "b", "compression": "none"},
	)
	p, result := r.converges("layout", in)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create a", "create b", "create a/in", "create a/in/deep"})
	rig.Same(t, "summary", p.Changes[3].Summary, "empty subvolume, compression default, without copy on write")
	out := rig.Outputs[Output](t, result.Outputs)
	rig.Same(t, "output", out, Output{Created: []string{"a", "b", "a/in", "a/in/deep"}, Changed: []string{}, Unchanged: []string{}})
	for path, want := range map[string]string{"a": "zstd", "b": "none", "a/in": "zstd", "a/in/deep": ""} {
		if got := r.property(path, "compression"); got != want {
			t.Errorf("compression of %q is %q, not %q", path, got, want)
		}
	}
	if !strings.Contains(r.flags("a/in/deep"), "C") {
		t.Errorf("flags of a/in/deep: %s", r.flags("a/in/deep"))
	}
	st, err := os.Stat(r.FS.Path("a/in"))
	if err != nil {
		t.Fatal(err)
	}
	if sys := st.Sys().(*syscall.Stat_t); sys.Mode&0o7777 != 0o2750 || sys.Uid != 123 || sys.Gid != 456 {
		t.Errorf("mode %o, owner %d:%d", sys.Mode, sys.Uid, sys.Gid)
	}
	// A part of it is gone: only that comes back. What is beside the list stays.
	r.Create("other")
	r.Btrfs("subvolume", "delete", r.FS.Path("b"))
	p, _ = r.converges("layout", in)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create b"})
	if len(r.listed()) != 5 {
		t.Errorf("%q", r.listed())
	}
}

func TestLayoutNames(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Run(r.Request(1, "quota", rig.Inputs{"mode": "classic"}))
	var all []rig.Inputs
	for i, name := range odd {
		all = append(all, rig.Inputs{"path": name, "compression": "lzo", "max_referenced": (i + 1) << 20}, rig.Inputs{"path": name + "/" + name, "no_cow": true})
	}
	r.converges("layout", entries(all...))
	for _, name := range odd {
		if r.property(name, "compression") != "lzo" || !strings.Contains(r.flags(name+"/"+name), "C") {
			t.Errorf("%q is not as it shall be", name)
		}
	}
	r.agree()
}

// On a filesystem in use: what can be set is, what can't is told, or with strict left alone.
func TestLayoutInUse(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("data", "sealed", "db", "same", "cold")
	r.Write("data/file", "x")
	r.Write("db/file", "x")
	r.Exec("mkdir", r.FS.Path("folder"))
	r.Write("file", "")
	r.Exec("ln", "-s", "data", r.FS.Path("link"))
	r.Btrfs("property", "set", "-ts", r.FS.Path("sealed"), "ro", "true")
	r.Btrfs("property", "set", r.FS.Path("cold"), "compression", "zlib")
	in := entries(
		rig.Inputs{"path": "data", "compression": "zstd"},
		rig.Inputs{"path": "db", "no_cow": true},
		rig.Inputs{"path": "cold", "no_cow": true},
		rig.Inputs{"path": "same", "mode": "0700"},
		rig.Inputs{"path": "sealed", "compression": "zstd"},
		rig.Inputs{"path": "folder"},
		rig.Inputs{"path": "file"},
		rig.Inputs{"path": "link/x"},
		rig.Inputs{"path": "none/x"},
		rig.Inputs{"path": "new"},
	)
	p := r.plans("layout", in)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"update data", "update db", "update cold", "create new"})
	rig.Contains(t, string(p.Changes[2].Before)+string(p.Changes[2].After), `{"compression":"zlib","no_cow":false}{"compression":"default","no_cow":true}`)
	told := rig.Told(p.Diagnostics)
	rig.Contains(t, told,
		`warning [] /subvolumes: files and folders that are in "data" already keep the compression`, `btrfs.defragment`,
		`warning [] /subvolumes: files and folders that are in "db" already keep the copy on write`, `cp -a --reflink=never`,
		`warning [] /subvolumes/3: "same" has mode 0755, not 0700`,
		`error [invalid] /subvolumes/4/path: the subvolume "sealed" is read-only`,
		`error [failed] /subvolumes/5/path: "folder" is a directory, not a subvolume (move it away`,
		`error [failed] /subvolumes/6/path: "file" is a file, not a subvolume`,
		`symbolic link`,
		`error [invalid] /subvolumes/8/path: the parent folder "none" does not exist`,
	)
	result := r.Apply(r.Request(1, "layout", in), p)
	rig.Same(t, "done", result.Done, []int{0, 1, 2, 3})
	if r.property("data", "compression") != "zstd" || !strings.Contains(r.flags("db"), "C") || !strings.Contains(r.flags("cold"), "C") {
		t.Error("not set")
	}
	r.refused("layout", in, `"folder" is a directory`) // nothing is left to do but what can't be done

	r.Create("strict")
	r.Write("strict/file", "x")
	in = rig.Inputs{"strict": true, "subvolumes": []rig.Inputs{{"path": "strict", "no_cow": true}, {"path": "same", "mode": "0700"}, {"path": "new2"}}}
	p = r.plans("layout", in)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create new2"})
	rig.Contains(t, rig.Told(p.Diagnostics), `error [failed] /subvolumes/0: files and folders that are in "strict" already`, `error [failed] /subvolumes/1: "same" has mode 0755`)
}

// A directory with subvolumes in it stays what it is: what is in it can't all be moved into a subvolume.
func TestLayoutFolder(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.Exec("mkdir", "-p", r.FS.Path("snapshots/root"))
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path("snapshots/root/one"))
	in := entries(rig.Inputs{"path": "snapshots", "compression": "zstd"}, rig.Inputs{"path": "new"})
	p := r.plans("layout", in)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create new"})
	rig.Same(t, "told", rig.Told(p.Diagnostics),
		`warning [] /subvolumes/0/path: "snapshots" is a directory with subvolumes in it, and stays one: snapshots can't be moved into a new subvolume (take it out of the list, or give the new subvolume another path)`+"\n")
	for _, wish := range []rig.Inputs{{"path": "snapshots", "no_cow": true}, {"path": "snapshots", "mode": "0700"}} {
		r.refused("layout", entries(wish), "stays one", "another path")
	}
	r.refused("layout", rig.Inputs{"strict": true, "subvolumes": []rig.Inputs{{"path": "snapshots"}}}, "stays one")
}

func TestLayoutRefused(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a")
	r.refused("layout", entries(
		rig.Inputs{"path": "x"}, rig.Inputs{"path": "x/"}, rig.Inputs{"path": "/y"}, rig.Inputs{"path": "."}, rig.Inputs{"path": ".coppice"},
		rig.Inputs{"path": "z", "compression": "zstd:3"}, rig.Inputs{"path": "w", "compression": "lzo", "no_cow": true},
	), `/subvolumes/1/path: "x" is in the list twice; it is number 1 too`, "/subvolumes/2/path", "/subvolumes/3/path", `/subvolumes/4/path: ".coppice" is reserved`,
		`/subvolumes/5/compression: the kernel ignores the level "3"`, "/subvolumes/6/compression: no_cow and compression exclude each other")
	r.refused("layout", entries(rig.Inputs{"path": "x", "mode": "rwx"}), "/subvolumes/0/mode")
	r.refused("layout", entries(rig.Inputs{"path": "a", "max_referenced": 1 << 20}, rig.Inputs{"path": "b", "max_referenced": 1 << 20}), `/subvolumes/0: "a" can't be limited: quotas are off`, `/subvolumes/1: "b" can't be limited`)
	r.Exec("mount", "-o", "remount,ro", r.FS.Mount)
	r.refused("layout", entries(rig.Inputs{"path": "b"}), "is read-only: no subvolume can be made")
	r.refused("layout", entries(rig.Inputs{"path": "a", "no_cow": true}), "is read-only: no subvolume can be made or changed")
	for action, in := range map[string]rig.Inputs{
		"property": {"path": "a", "no_cow": true}, "set_default": {"subvolume": "a"}, "quota": {"mode": "classic"}, "delete_tree": trees(false, "a"),
	} {
		r.refused(action, in, "is read-only")
	}
	rig.Same(t, "nothing to do", len(r.plans("layout", entries(rig.Inputs{"path": "a", "no_cow": false})).Changes), 0)
	r.Exec("mount", "-o", "remount,rw", r.FS.Mount)
}

// A preview of a layout and of what follows it, and a run that was interrupted.
func TestLayoutPreview(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	in := entries(rig.Inputs{"path": "a", "compression": "zstd", "max_referenced": 8 << 20}, rig.Inputs{"path": "a/b", "no_cow": true})
	prior := r.plans("quota", rig.Inputs{"mode": "simple", "acknowledge_incompat": true}).Changes
	p := r.plans("layout", in, prior...)
	prior = append(prior, p.Changes...)
	for _, again := range []struct {
		action string
		in     rig.Inputs
	}{
		{"layout", in}, {"property", rig.Inputs{"path": "a", "compression": "zstd"}}, {"property", rig.Inputs{"path": "a/b", "no_cow": true}},
		{"limit", rig.Inputs{"subvolume": "a", "max_referenced": 8 << 20}}, {"create", rig.Inputs{"subvolume": "a/b"}},
	} {
		if n := len(r.plans(again.action, again.in, prior...).Changes); n != 0 {
			t.Errorf("%s would do something", again.action)
		}
	}
	after := r.plans("layout", entries(rig.Inputs{"path": "a/b", "compression": "lzo", "no_cow": false}), prior...)
	rig.Contains(t, string(after.Changes[0].Before)+string(after.Changes[0].After), `{"compression":"default","no_cow":true}{"compression":"lzo","no_cow":false}`)

	// A run that ended between making the first one and setting its properties.
	r.Run(r.Request(1, "quota", rig.Inputs{"mode": "simple", "acknowledge_incompat": true}))
	q := r.Request(1, "layout", in)
	p = r.Plan(q)
	r.Create("a")
	result := r.Apply(q, p)
	rig.Same(t, "done", result.Done, []int{0, 1})
	rig.Same(t, "nothing is left", len(r.plans("layout", in).Changes), 0)

	// One that has become another one is left alone.
	q = r.Request(1, "layout", entries(rig.Inputs{"path": "a/b", "no_cow": false}))
	p = r.Plan(q)
	r.Btrfs("subvolume", "delete", r.FS.Path("a/b"))
	r.Create("a/b")
	rig.Contains(t, rig.Told(r.Apply(q, p).Diagnostics), "drifted", "is another subvolume now")
}
