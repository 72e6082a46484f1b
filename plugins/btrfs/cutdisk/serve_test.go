package cutdisk_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// What is written to the served file, and what is read from it, is as in any file.
func TestServedFile(t *testing.T) {
	fuse(t)
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	paths, contents := images(t, random, dir, 2)
	base := filepath.Join(dir, "base")
	must(t, cutdisk.Copy(file(t, base), file(t, paths[1])))
	first := bytes.Clone(contents[1])
	r, err := cutdisk.Record(server(), file(t, filepath.Join(dir, "tape")), 1<<30, file(t, paths[0]), file(t, paths[1]))
	must(t, err)
	closing(t, r)
	f, want := r.Disk(1), contents[1]
	info, err := f.Stat()
	must(t, err)
	if info.Size() != int64(len(want)) || !info.Mode().IsRegular() {
		t.Errorf("%v, %d bytes", info.Mode(), info.Size())
	}
	for range 200 {
		at := random.IntN(len(want))
		n := 1 + random.IntN(len(want)-at)
		switch random.IntN(4) {
		case 0, 1:
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			_, err := f.WriteAt(data, int64(at))
			must(t, err)
			copy(want[at:], data)
		case 2:
			must(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(at), int64(n)))
			clear(want[at : at+n])
		case 3:
			must(t, f.Sync())
		}
		got := make([]byte, n)
		_, err := f.ReadAt(got, int64(at))
		must(t, err)
		if !bytes.Equal(got, want[at:at+n]) {
			t.Fatal("the file holds something else")
		}
	}
	must(t, r.Mark("the end"))
	must(t, r.End())
	if _, err := f.WriteAt([]byte{1}, int64(len(want))); err == nil {
		t.Error("written behind the end")
	}
	must(t, r.Close())
	if data, err := os.ReadFile(paths[1]); err != nil || !bytes.Equal(data, want) {
		t.Errorf("the image holds something else: %v", err)
	}

	p, err := cutdisk.Replay(server(), file(t, filepath.Join(dir, "tape")), dir, file(t, paths[0]), file(t, base))
	must(t, err)
	closing(t, p)
	read, err := cutdisk.ReadTape(file(t, filepath.Join(dir, "tape")))
	must(t, err)
	for boundary, want := range map[int][]byte{0: first, read.Len(): want} {
		must(t, p.Cut(cutdisk.Cut{Boundary: boundary}))
		got := make([]byte, len(want))
		_, err := p.Disk(1).ReadAt(got, 0)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("boundary %d holds something else", boundary)
		}
	}
	if err := p.Cut(cutdisk.Cut{Boundary: read.Len() + 1}); err == nil || !strings.Contains(err.Error(), "they go from 0 to") {
		t.Errorf("%v", err)
	}
	if marks, err := read.Marks(read.Len()); err != nil || len(marks) != 1 || marks[0] != "the end" {
		t.Errorf("%q, %v", marks, err)
	}
}

// volume is a btrfs on a served disk.
type volume struct {
	t    *testing.T
	dir  string
	loop *os.File
}

func attach(t *testing.T, disk *os.File, dir string) *volume {
	loop, err := loopfs.Attach(disk, "cutdisk")
	must(t, err)
	return &volume{t, dir, loop}
}

func (v *volume) mount() error { return unix.Mount(v.loop.Name(), v.dir, "btrfs", 0, "") }

func (v *volume) unmount() {
	v.t.Helper()
	must(v.t, unix.Unmount(v.dir, 0))
	must(v.t, loopfs.Free(v.loop.Name()))
	must(v.t, v.loop.Close())
}

func (v *volume) btrfs(args ...string) {
	v.t.Helper()
	if out, err := exec.Command("btrfs", args...).CombinedOutput(); err != nil {
		v.t.Fatalf("btrfs %v: %v\n%s", args, err, out)
	}
}

// filesystem is an image with a btrfs, unmounted.
func filesystem(t *testing.T) string {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 128 << 20})
	must(t, os.WriteFile(filepath.Join(fs.Mount, "before"), []byte("before"), 0o600))
	must(t, fs.Unmount())
	return fs.Image[0]
}

// Every state that a cut leaves can be mounted, is sound, and holds what was committed before the cut.
func TestPowerCuts(t *testing.T) {
	fuse(t)
	image := filesystem(t)
	dir := t.TempDir()
	base, tape, mount := file(t, filepath.Join(dir, "base")), file(t, filepath.Join(dir, "tape")), filepath.Join(dir, "mount")
	must(t, os.Mkdir(mount, 0o700))
	must(t, cutdisk.Copy(base, file(t, image)))
	r, err := cutdisk.Record(server(), tape, 1<<30, file(t, image))
	must(t, err)
	closing(t, r)
	v := attach(t, r.Disk(0), mount)
	must(t, v.mount())
	v.btrfs("-q", "subvolume", "create", filepath.Join(mount, "one"))
	must(t, os.WriteFile(filepath.Join(mount, "one", "file"), bytes.Repeat([]byte("content "), 20000), 0o600))
	must(t, exec.Command("sync", "-f", mount).Run())
	must(t, r.Mark("committed"))
	v.btrfs("-q", "subvolume", "snapshot", "-r", filepath.Join(mount, "one"), filepath.Join(mount, "two"))
	must(t, r.Mark("snapshot"))
	synced, err := os.Create(filepath.Join(mount, "synced"))
	must(t, err)
	_, err = synced.WriteString("synced")
	must(t, errors.Join(err, synced.Sync(), synced.Close()))
	must(t, r.Mark("synced"))
	v.unmount()
	must(t, r.End())
	must(t, r.Close())

	read, err := cutdisk.ReadTape(tape)
	must(t, err)
	p, err := cutdisk.Replay(server(), tape, dir, base)
	must(t, err)
	closing(t, p)
	cuts := read.Cuts(cutdisk.Sample{Most: 60, Subset: 20, Seed: 1})
	started := time.Now()
	seen := map[string]int{}
	for _, c := range cuts.List {
		must(t, p.Cut(c))
		v := attach(t, p.Disk(0), mount)
		if out, err := exec.Command("btrfs", "check", "--readonly", v.loop.Name()).CombinedOutput(); err != nil {
			t.Errorf("cut %v: %v\n%s", c, err, out)
		}
		if err := v.mount(); err != nil {
			t.Errorf("cut %v: %v", c, err)
			must(t, v.loop.Close())
			continue
		}
		marks, err := read.Marks(c.Boundary)
		must(t, err)
		for i, path := range []string{"one/file", "two/file", "synced"} {
			_, err := os.ReadFile(filepath.Join(mount, path))
			if err == nil {
				seen[path]++
			} else if i < len(marks) {
				t.Errorf("cut %v is behind %q, and there is no %s: %v", c, marks[i], path, err)
			}
		}
		v.unmount()
	}
	if seen["synced"] == 0 || seen["one/file"] == len(cuts.List) {
		t.Errorf("%v", seen)
	}
	tally.Add(t, "%d states of %+v in %v: %v", len(cuts.List), read.Count(), time.Since(started), seen)
}

// Who waits for the disk of a server that dies gets an error, and does not wait for ever.
func TestServerDies(t *testing.T) {
	fuse(t)
	image := filesystem(t)
	dir := t.TempDir()
	mount := filepath.Join(dir, "mount")
	must(t, os.Mkdir(mount, 0o700))
	r, err := cutdisk.Record(server(), file(t, filepath.Join(dir, "tape")), 1<<30, file(t, image))
	must(t, err)
	v := attach(t, r.Disk(0), mount)
	must(t, v.mount())
	writing := make(chan error)
	go func() {
		for {
			if err := os.WriteFile(filepath.Join(mount, "file"), make([]byte, 1<<20), 0o600); err != nil {
				writing <- err
				return
			}
			if err := exec.Command("sync", "-f", mount).Run(); err != nil {
				writing <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond)
	must(t, syscall.Kill(r.PID(), syscall.SIGKILL))
	if err := <-writing; err == nil {
		t.Error("nobody noticed")
	}
	if err := r.Mark("dead"); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("%v", err)
	}
	v.unmount()
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("closing: %v", err)
	}
}
