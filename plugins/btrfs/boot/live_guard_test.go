package boot

import (
	"os"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// A guard that trips leaves everything as it was.
func TestGuards(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home")
	r.Write("root/mark", "one")
	r.sync()
	old := r.UUIDOf("root")
	r.sh("mkdir ../at; mount -o subvol=root $(findmnt -no SOURCE .) ../at")
	r.refuses(1, nil, `"root" is mounted at`, "this is for the initrd")
	r.sh("umount ../at")

	r.Btrfs("subvolume", "set-default", r.FS.Path("root"))
	r.refuses(1, nil, "default subvolume", "set-default 5")
	r.Btrfs("subvolume", "set-default", "5", r.FS.Mount)

	r.Write("root/etc/machine-id", "0123")
	r.Write("root/etc/ssh/ssh_host_ed25519_key", "secret")
	r.Write("root/var/lib/nixos/uid-map", "")
	r.refuses(1, nil, "would go with the root: etc/machine-id, etc/ssh/ssh_host_ed25519_key (", "--acknowledge")
	r.refuses(1, rig.Inputs{"acknowledge": []string{"etc/machine-id"}}, "would go with the root: etc/ssh/ssh_host_ed25519_key (")
	r.sh("mv root/etc root/usual; ln -s usual root/etc") // elsewhere: a link is not followed
	if p := r.Plan(r.request("rollback", nil)); len(p.Changes) != 2 {
		t.Errorf("%s", rig.Show(p))
	}
	r.sh("rm root/etc; mkdir -p root/usr/lib/modules/6.18.0 root/sbin; touch root/sbin/init")
	r.refuses(1, nil, "an empty root has no operating system in it")
	r.sh("btrfs -q subvolume snapshot root blank; rmdir blank/usr/lib/modules/6.18.0")
	r.refuses(1, rig.Inputs{"blank": "blank"}, "has no modules of the kernel 6.18.0")
	r.sh("rm blank/sbin/init")
	r.refuses(1, rig.Inputs{"blank": "blank"}, "has no /sbin/init")
	r.cmdline("init=/nix/store/x/init")
	if p := r.Plan(r.request("rollback", nil)); len(p.Changes) != 2 {
		t.Errorf("%s", rig.Show(p))
	}

	for want, in := range map[string]rig.Inputs{
		"named twice":                {"reset": []string{"home", "root"}},
		"is the top level itself":    {"root": "."},
		"reserved for coppice's":     {"archive": ".coppice/x"},
		"a path of the running":      {"root": "/root"},
		"no subvolume \"nothing\"":   {"blank": "nothing"},
		"another kind of filesystem": {"filesystem": os.TempDir()},
		"there is no filesystem":     {"filesystem": "UUID=00000000-0000-0000-0000-000000000001"},
	} {
		r.refuses(1, in, want)
	}

	// In an initrd the command line says what is mounted as the root.
	r.put("etc/initrd-release", "")
	device := r.FS.Loop[0]
	for line, want := range map[string]string{
		"":                                       "neither the kernel's command line nor",
		"root=PARTUUID=x":                        "there is no filesystem PARTUUID=x",
		"root=" + device:                         "says no subvol= for the root",
		"root=" + device + " rootfstype=ext4":    "of type ext4",
		"root=" + device + " rootflags=subvol=x": `mounts the subvolume "x"`,
		"root=" + device + " rootflags=subvolid=256,subvol=root": "by its id (subvolid=256)",
	} {
		r.cmdline(line)
		r.refuses(1, rig.Inputs{"filesystem": "/"}, want)
	}
	r.cmdline("root=/dev/nowhere rootflags=subvol=root")
	r.refuses(1, rig.Inputs{"filesystem": r.FS.Mount}, "not on this filesystem")

	r.cmdline("root=" + device + " rootflags=subvol=root,compress=zstd init=/nix/x")
	r.sh("mount -o remount,ro .")
	r.refuses(1, rig.Inputs{"filesystem": "/"}, "is read-only")
	r.sh("mount -o remount,rw .")

	for _, set := range []func(){
		func() { r.Write(skipPath, "") },
		func() { r.Write(volume.HoldPath, "") },
		func() {
			r.cmdline("root=" + device + " rootflags=subvol=root coppice.rollback=no")
		},
	} {
		r.sh("mkdir -p .coppice/boot; echo 1 >.coppice/version")
		set()
		asked := r.there(skipPath)
		// Nobody applies a plan without a change.
		if p := r.Plan(r.request("rollback", nil)); (len(p.Changes) > 0) != asked {
			t.Errorf("%s", rig.Show(p))
		}
		if out := r.rollback(2, nil); out.Result != skipped || out.Why == "" {
			t.Errorf("%s", rig.Show(out))
		}
	}
	if _, err := os.Stat(r.FS.Path(skipPath)); err == nil {
		t.Error("the request to skip is there still")
	}
	if r.UUIDOf("root") != old || len(r.archives()) != 0 || r.read("root/mark") != "one" {
		t.Error("something was done")
	}
}

// As in an initrd: the filesystem is not mounted, and is not afterwards.
func TestUnmounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.Create("@root")
	r.Write("@root/mark", "one")
	r.sync()
	id := strings.TrimSpace(r.Exec("findmnt", "-no", "UUID", r.FS.Mount))
	if err := r.FS.Unmount(); err != nil {
		t.Fatal(err)
	}
	r.put("etc/initrd-release", "")
	r.put("dev/disk/by-uuid/x", "")
	device, detach := r.attach(r.FS.Image[0])
	r.sh2("ln -s " + device + " " + r.m.file("dev/disk/by-uuid/"+id))
	r.cmdline("root=UUID=" + id + " rootflags=subvol=@root")
	out := r.rollback(1, rig.Inputs{"filesystem": "/", "root": "@root"})
	if out.Result != rolledBack || out.UUID == "" {
		t.Fatalf("%s", rig.Show(out))
	}
	if out := r.rollback(1, rig.Inputs{"filesystem": "/", "root": "@root"}); out.Result != already {
		t.Errorf("%s", rig.Show(out))
	}
	detach()
	if err := r.FS.MountAgain(""); err != nil {
		t.Fatal(err)
	}
	if r.read(out.Archived[0].Path+"/mark") != "one" || r.UUIDOf("@root") != out.UUID {
		t.Errorf("%s", rig.Show(out))
	}
}

// What other scripts leave: no root, and plain directories among the archives.
func TestLegacy(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.sh(`btrfs -q subvolume create was; echo one >was/mark; mkdir -p old_roots/2026-01-01/etc; mv was old_roots/2026-01-02_03:04:05; echo two >old_roots/2026-01-01/mark`)
	out := r.rollback(1, nil)
	if out.Result != rolledBack || len(out.Archived) != 0 || r.UUIDOf("root") != out.UUID {
		t.Fatalf("%s", rig.Show(out))
	}
	r.Write("root/mark", "three")
	r.sync()
	r.rollback(2, nil)
	rig.Same(t, "marks", r.marks(), []string{"one\n", "three", "two\n"})

	// A folder in the place of the root is not touched.
	r.sh("mv root aside; mkdir root; echo four >root/mark")
	r.refuses(3, nil, `"root" is a directory, not a subvolume`)
	r.sh("rm -r root; mkdir etc; ln -s etc root")
	r.refuses(3, nil, `"root" is a symbolic link, not a subvolume`)
}
