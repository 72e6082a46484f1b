package layout

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// What is set is what btrfs and lsattr say, on all kinds of things and names.
func TestProperty(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	for i, name := range odd {
		switch i % 3 {
		case 0:
			r.Create(name)
		case 1:
			r.Exec("mkdir", r.FS.Path(name))
		case 2:
			r.Write(name, "")
		}
		path := r.FS.Path(name)
		for _, compression := range []string{"zstd", "lzo", "zlib", "none", "default"} {
			p, _ := r.converges("property", rig.Inputs{"path": name, "compression": compression})
			rig.Same(t, "changes", rig.Names(p.Changes), []string{"update " + name})
			want := map[string]string{"default": ""}[compression]
			if compression != "default" {
				want = compression
			}
			if got := r.property(name, "compression"); got != want {
				t.Errorf("compression of %q is %q, not %q", path, got, want)
			}
		}
		for _, on := range []bool{true, false, true} {
			r.converges("property", rig.Inputs{"path": name, "no_cow": on})
			if got := strings.Contains(r.flags(name), "C"); got != on {
				t.Errorf("no-CoW of %q is %v", name, got)
			}
		}
		// From one to the other in one step, both ways.
		r.converges("property", rig.Inputs{"path": name, "no_cow": false, "compression": "zstd"})
		r.converges("property", rig.Inputs{"path": name, "no_cow": true, "compression": "default"})
		if i%3 == 0 {
			for _, on := range []bool{true, false} {
				r.converges("property", rig.Inputs{"path": name, "read_only": on})
				if got := r.property(name, "ro"); got != map[bool]string{true: "true", false: "false"}[on] {
					t.Errorf("ro of %q is %s", name, got)
				}
			}
		}
	}
	// chattr +m is compression none without the property; a stored level is none.
	r.Exec("mkdir", r.FS.Path("m"), r.FS.Path("level"))
	r.Exec("chattr", "+m", r.FS.Path("m"))
	rig.Same(t, "chattr +m", len(r.plans("property", rig.Inputs{"path": "m", "compression": "none"}).Changes), 0)
	r.converges("property", rig.Inputs{"path": "m", "compression": "default"})
	if err := unix.Setxattr(r.FS.Path("level"), "btrfs.compression", []byte("zstd:7"), 0); err != nil {
		t.Fatal(err)
	}
	rig.Same(t, "a level", len(r.plans("property", rig.Inputs{"path": "level", "compression": "zstd"}).Changes), 0)
	r.converges("property", rig.Inputs{"path": ".", "compression": "zstd"})
}

func TestPropertyRefused(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "sealed", "cold")
	r.Write("a/file", "data")
	r.Write("sealed/file", "")
	r.Exec("mkfifo", r.FS.Path("pipe"))
	r.Exec("ln", "-s", "a", r.FS.Path("link"))
	r.Btrfs("property", "set", "-ts", r.FS.Path("sealed"), "ro", "true")
	r.Btrfs("property", "set", r.FS.Path("cold"), "compression", "zstd")
	r.Write("hot/x", "")
	r.Exec("chattr", "+C", r.FS.Path("hot"))
	for _, c := range []struct {
		in   rig.Inputs
		want string
	}{
		{rig.Inputs{"path": "a"}, "there is no property to set"},
		{rig.Inputs{"path": "none", "no_cow": true}, `there is nothing at "none"`},
		{rig.Inputs{"path": "link", "no_cow": true}, "symbolic link"},
		{rig.Inputs{"path": "pipe", "no_cow": true}, "special file"},
		{rig.Inputs{"path": "a", "compression": "zstd:3"}, `the kernel ignores the level "3"`},
		{rig.Inputs{"path": "a", "compression": "gzip"}, "expected one of default, none, zlib, lzo, zstd"},
		{rig.Inputs{"path": "a", "compression": "zstd", "no_cow": true}, "exclude each other"},
		{rig.Inputs{"path": "a", "compression": "none", "no_cow": true}, "exclude each other"},
		{rig.Inputs{"path": "cold", "no_cow": true}, "it has the compression zstd (give compression: default too)"},
		{rig.Inputs{"path": "hot", "compression": "lzo"}, "it is without copy on write (give no_cow: false too)"},
		{rig.Inputs{"path": "a/file", "no_cow": true}, "there is data in the file"},
		{rig.Inputs{"path": "a/file", "read_only": true}, `is a file: only subvolumes can be read-only`},
		{rig.Inputs{"path": ".", "read_only": true}, "the top level stays writable"},
		{rig.Inputs{"path": "sealed/file", "no_cow": true}, `lies in the subvolume "sealed", which is read-only`},
		{rig.Inputs{"path": "sealed", "compression": "zstd"}, "give read_only: false too"},
		{rig.Inputs{"path": ".coppice/snapshots", "no_cow": true}, "reserved"},
	} {
		r.refused("property", c.in, c.want)
	}
	r.converges("property", rig.Inputs{"path": "sealed", "compression": "zstd", "read_only": false})
	r.converges("property", rig.Inputs{"path": "sealed", "compression": "lzo", "read_only": true})
	if r.property("sealed", "compression") != "lzo" || r.property("sealed", "ro") != "true" {
		t.Error("not set")
	}
	p, _ := r.converges("property", rig.Inputs{"path": "a", "no_cow": true})
	rig.Contains(t, rig.Told(p.Diagnostics), `files and folders that are in "a" already keep the copy on write that they have`)
	p, _ = r.converges("property", rig.Inputs{"path": "a/file", "compression": "zstd"})
	rig.Contains(t, rig.Told(p.Diagnostics), `the data that is in "a/file" already stays`)
}

// What must stay read-only, or can't become it.
func TestReadOnlyRefused(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "in")
	r.Write("a/file", "")
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("a"), r.FS.Path("sent"))
	r.Exec("sh", "-c", "btrfs -q send '"+r.FS.Path("sent")+"' | btrfs -q receive '"+r.FS.Path("in")+"'")
	r.refused("property", rig.Inputs{"path": "in/sent", "read_only": false}, "was received from another filesystem")
	r.Write(volume.HoldsFolder+"/"+r.UUIDOf("sent"), `{"who":"backup","reason":"next parent"}`)
	r.refused("property", rig.Inputs{"path": "sent", "read_only": false}, "must stay as it is: pinned: next parent")
	r.Run(r.Request(0, "snapshot", rig.Inputs{"sources": []string{"a"}}))
	for _, p := range r.listed() {
		if strings.HasPrefix(p, "snapshots/") {
			r.refused("property", rig.Inputs{"path": p, "read_only": false}, "is a managed snapshot")
		}
	}

	swap := r.FS.Path("a", "swap file")
	r.Exec("sh", "-c", "touch \"$1\" && chattr +C \"$1\" && dd if=/dev/zero of=\"$1\" bs=1M count=16 status=none && chmod 600 \"$1\" && mkswap -q \"$1\"", "sh", swap)
	q := r.Request(1, "property", rig.Inputs{"path": "a", "read_only": true})
	plan := r.Plan(q)
	if out, err := exec.Command("swapon", swap).CombinedOutput(); err != nil {
		t.Fatalf("swapon: %v: %s", err, out)
	}
	off := func() { exec.Command("swapoff", swap).Run() }
	t.Cleanup(off)
	r.Refuses(q, "/read_only", "swap file", "could then not be switched off")
	r.refused("delete_tree", rig.Inputs{"subvolumes": []string{"a"}}, "swap file")
	rig.Contains(t, rig.Told(r.Apply(q, plan).Diagnostics), "drifted", "swap file")
	if r.property("a", "ro") != "false" {
		t.Error("it was made read-only")
	}
	off()
	r.converges("property", rig.Inputs{"path": "a", "read_only": true})
}

// A plan that is overtaken is not carried out on something else.
func TestPropertyDrift(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a")
	r.Write("file", "")
	qa, qf := r.Request(1, "property", rig.Inputs{"path": "a", "compression": "zstd"}), r.Request(1, "property", rig.Inputs{"path": "file", "no_cow": true})
	pa, pf := r.Plan(qa), r.Plan(qf)
	r.Btrfs("subvolume", "delete", r.FS.Path("a"))
	r.Create("a")
	r.Exec("cp", r.FS.Path("file"), r.FS.Path("other"))
	r.Exec("mv", r.FS.Path("other"), r.FS.Path("file"))
	rig.Contains(t, rig.Told(r.Apply(qa, pa).Diagnostics), "drifted", `something else is at "a" now`)
	rig.Contains(t, rig.Told(r.Apply(qf, pf).Diagnostics), "drifted", `something else is at "file" now`)
	pf = r.Plan(qf)
	if err := os.WriteFile(r.FS.Path("file"), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	rig.Contains(t, rig.Told(r.Apply(qf, pf).Diagnostics), "the kernel has ignored it")
}

// A preview knows what a subvolume will have that an earlier step makes.
func TestPropertyPreview(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a")
	r.Write("a/dir/file", "")
	r.Btrfs("property", "set", r.FS.Path("a"), "compression", "lzo")
	r.Exec("chattr", "+C", r.FS.Path("a/dir"))
	steps := []struct {
		action string
		in     rig.Inputs
	}{
		{"create", rig.Inputs{"subvolume": "a/new"}},
		{"create", rig.Inputs{"subvolume": "a/dir/new"}},
		{"property", rig.Inputs{"path": "a/new", "compression": "lzo"}},  // it has it from a
		{"property", rig.Inputs{"path": "a/dir/new", "no_cow": false}},   // it has it not from a/dir
		{"property", rig.Inputs{"path": "a/new", "compression": "zlib"}}, // now it differs
		{"property", rig.Inputs{"path": "a/new", "compression": "zlib"}},
		{"property", rig.Inputs{"path": "a/dir/file", "compression": "none"}},
		{"property", rig.Inputs{"path": "a/dir/file", "compression": "none"}},
		{"property", rig.Inputs{"path": "a", "read_only": true}},
		{"property", rig.Inputs{"path": "a", "read_only": true}},
	}
	var prior []sdk.Change
	var preview []string
	for _, s := range steps {
		p := r.plans(s.action, s.in, prior...)
		prior = append(prior, p.Changes...)
		preview = append(preview, strings.Join(rig.Names(p.Changes), ","))
		for _, c := range p.Changes {
			preview = append(preview, string(c.Before)+string(c.After))
		}
	}
	r.Refuses(r.Request(1, "property", rig.Inputs{"path": "a/dir/file", "compression": "zstd"}, prior...), "which is read-only")
	var run []string
	for _, s := range steps {
		p, _ := r.Run(r.Request(1, s.action, s.in))
		run = append(run, strings.Join(rig.Names(p.Changes), ","))
		for _, c := range p.Changes {
			run = append(run, string(c.Before)+string(c.After))
		}
	}
	rig.Same(t, "run", run, preview)
}
