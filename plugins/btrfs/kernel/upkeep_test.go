package kernel_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func TestTrim(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	if n, err := f.Trim(); err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
	if can, known := kernel.CanDiscard(loop.Loop[0]); !can || !known {
		t.Errorf("can %v, known %v", can, known)
	}
	dir, remove, err := loopfs.WithoutDiscard(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, remove()) })
	loop, f = made(t, loopfs.Options{Size: 128 << 20, Dir: dir})
	_, err = f.Trim()
	wantErr(t, "no discard", err, kernel.ErrUnsupported)
	if can, known := kernel.CanDiscard(loop.Loop[0]); can || !known {
		t.Errorf("can %v, known %v", can, known)
	}
	if _, known := kernel.CanDiscard("/dev/null"); known {
		t.Error("/dev/null is a block device")
	}
}

// fragmented writes a file every second block of which was written later.
func fragmented(t *testing.T, path string, blocks int) {
	t.Helper()
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	for _, first := range []int{0, 1} {
		for i := first; i < blocks; i += 2 {
			_, err := file.WriteAt([]byte(strings.Repeat(fmt.Sprintf("%04d", i), 1024)), int64(i)*4096)
			must(t, err)
		}
		must(t, file.Sync())
	}
}

func extents(t *testing.T, f *kernel.Filesystem, dir, name string) kernel.Extents {
	t.Helper()
	d, err := f.OpenDir(dir)
	must(t, err)
	defer d.Close()
	file, err := d.OpenData(name)
	must(t, err)
	defer file.Close()
	e, err := file.Extents()
	must(t, err)
	return e
}

func TestExtentsAndDefragment(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	create(t, f, "sub")
	fragmented(t, loop.Path("sub/file"), 600)
	before, err := os.ReadFile(loop.Path("sub/file"))
	must(t, err)
	e := extents(t, f, "sub", "file")
	if _, err := exec.LookPath("filefrag"); err != nil {
		need.Missing(t, "btrfs", "filefrag is not installed (Debian package e2fsprogs)")
	}
	out, err := exec.Command("filefrag", "-v", loop.Path("sub/file")).Output()
	must(t, err)
	if lines := regexp.MustCompile(`(?m)^ +\d+: `).FindAll(out, -1); len(lines) != e.Count || e.Shared || e.Count < 300 {
		t.Errorf("%+v, filefrag prints %d", e, len(lines))
	}
	btrfs(t, "subvolume", "snapshot", "-r", loop.Path("sub"), loop.Path("snapshot"))
	if e := extents(t, f, "sub", "file"); !e.Shared {
		t.Errorf("after a snapshot: %+v", e)
	}
	d, err := f.OpenDir("sub")
	must(t, err)
	defer d.Close()
	file, err := d.OpenData("file")
	must(t, err)
	defer file.Close()
	done := int64(0)
	must(t, file.Defragment(t.Context(), 32<<20, kernel.CompressZstd, func(n int64) { done = n }))
	if done != file.Size {
		t.Errorf("%d of %d bytes", done, file.Size)
	}
	must(t, f.Sync())
	if now := extents(t, f, "sub", "file"); now.Count >= e.Count/10 || now.Shared {
		t.Errorf("before %+v, now %+v", e, now)
	}
	after, err := os.ReadFile(loop.Path("sub/file"))
	must(t, err)
	if string(before) != string(after) {
		t.Error("the content has changed")
	}
	_, err = d.OpenData("missing")
	wantErr(t, "missing", err, kernel.ErrNotFound)
	mkdir(t, f, "dir")
	top, err := f.OpenDir("")
	must(t, err)
	defer top.Close()
	_, err = top.OpenData("dir")
	wantErr(t, "directory", err, kernel.ErrInvalid)
	must(t, os.WriteFile(loop.Path("tiny"), []byte("x"), 0o600))
	if e := extents(t, f, "", "tiny"); !e.Inline || e.Count != 1 {
		t.Errorf("a tiny file: %+v", e)
	}
}

func TestHolders(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	s := create(t, f, "held")
	c := exec.Command("sh", "-c", "exec <file; echo ready; exec sleep 1000")
	must(t, os.WriteFile(loop.Path("held/file"), []byte("x"), 0o600))
	c.Dir = loop.Path("held")
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	_, err = out.Read(make([]byte, 1))
	must(t, err)
	must(t, f.DeleteByUUID(s.ID, s.UUID))
	holders, err := f.Holders([]uint64{s.ID})
	must(t, err)
	said := fmt.Sprint(holders)
	if !strings.Contains(said, "working directory") || !strings.Contains(said, "an open file") {
		t.Errorf("%+v", holders)
	}
	for _, h := range holders {
		if h.PID != c.Process.Pid || h.Subvolume != s.ID {
			t.Errorf("%+v", h)
		}
	}
}
