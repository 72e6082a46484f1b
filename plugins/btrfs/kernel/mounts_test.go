package kernel_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func TestMountedSubvolumes(t *testing.T) {
	loop, f := made(t, loopfs.Options{MountOptions: "subvol=/"})
	other, _ := made(t, loopfs.Options{Size: 256 << 20}) // its subvolumes have the same IDs
	g := open(t, other.Mount)
	var subs, others []kernel.Subvolume
	for _, name := range []string{"unmounted", "sub,subvolid=256 ü", "dir bind", "file bind", "covered", "container", "deleted"} {
		subs = append(subs, create(t, f, name))
		others = append(others, create(t, g, name))
	}
	mount := func(device, point, options string) {
		t.Helper()
		must(t, os.MkdirAll(point, 0o755))
		must(t, unix.Mount(device, point, "btrfs", 0, options))
		t.Cleanup(func() { unix.Unmount(point, unix.MNT_DETACH) })
	}
	mkdir(t, f, "dir bind/in/side")
	must(t, os.WriteFile(loop.Path("file bind/file"), nil, 0o600))
	mount(loop.Loop[0], filepath.Join(loop.Dir, "mount at\\ a\nline"), fmt.Sprint("subvolid=", subs[1].ID))
	bind(t, loop.Path("dir bind/in/side"), filepath.Join(loop.Dir, "dir"))
	file := filepath.Join(loop.Dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, unix.Mount(loop.Path("file bind/file"), file, "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount(file, unix.MNT_DETACH) })
	covered := filepath.Join(loop.Dir, "covered")
	bind(t, loop.Path("covered"), covered)
	must(t, unix.Mount("none", covered, "tmpfs", 0, ""))
	t.Cleanup(func() { unix.Unmount(covered, unix.MNT_DETACH) })
	bind(t, loop.Path("deleted"), filepath.Join(loop.Dir, "deleted"))
	must(t, f.DeleteByUUID(subs[6].ID, subs[6].UUID))
	mount(other.Loop[0], filepath.Join(other.Dir, "of the other"), "subvol=unmounted")

	container := startContainer(t, loop.Path("container"), filepath.Join(loop.Dir, "inside"))
	mounted, err := f.MountedSubvolumes()
	must(t, err)
	want := map[uint64]bool{kernel.TopLevelID: true}
	for _, s := range subs[1:] {
		want[s.ID] = true
	}
	for id, at := range mounted {
		if !want[id] {
			t.Errorf("ID %d counts as mounted: %+v", id, at)
		}
		if !at.Certain || at.PID == 0 || at.Point == "" {
			t.Errorf("ID %d: %+v", id, at)
		}
	}
	for id := range want {
		if _, ok := mounted[id]; !ok {
			t.Errorf("ID %d does not count as mounted", id)
		}
	}
	if at := mounted[subs[5].ID]; at.PID != container {
		t.Errorf("the mount of the container was found at %+v, its process is %d", at, container)
	}
	inOther, err := g.MountedSubvolumes()
	must(t, err)
	if _, ok := inOther[others[0].ID]; !ok || len(inOther) != 2 {
		t.Errorf("of the other filesystem: %+v", inOther)
	}
}

// A superblock all of whose mount points are covered can't be asked: its subvolumes count as mounted, of every
// filesystem.
func TestUndecidableCountsAsMounted(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20})
	hidden, g := made(t, loopfs.Options{Size: 256 << 20})
	s := create(t, f, "s")
	twin := create(t, g, "s")
	if s.ID != twin.ID {
		t.Fatalf("the IDs differ: %d, %d", s.ID, twin.ID)
	}
	before, err := f.MountedSubvolumes()
	must(t, err)
	if at, ok := before[s.ID]; ok {
		t.Fatalf("mounted already: %+v", at)
	}
	must(t, unix.Unmount(hidden.Mount, 0))
	must(t, unix.Mount(hidden.Loop[0], hidden.Mount, "btrfs", 0, "subvol=s"))
	must(t, unix.Mount("none", hidden.Mount, "tmpfs", 0, ""))
	mounted, err := f.MountedSubvolumes()
	must(t, err)
	if at, ok := mounted[s.ID]; !ok || at.Certain || at.Point != hidden.Mount {
		t.Errorf("found %+v, %v", at, ok)
	}
	_ = loop
}

// startContainer starts a process with a mount namespace of its own, in which source is mounted at point.
func startContainer(t *testing.T, source, point string) (pid int) {
	t.Helper()
	must(t, os.MkdirAll(point, 0o755))
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		need.Missing(t, "root", "unshare is not installed (Debian package util-linux)")
	}
	cmd := exec.Command(unshare, "--mount", "--propagation", "private", "sh", "-c", `mount --bind "$1" "$2" && echo ready && exec sleep 60`, "sh", source, point)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		time.Sleep(10 * time.Millisecond)
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd.Process.Pid
}
