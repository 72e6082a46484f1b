package kernel_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

func node(t *testing.T, f *kernel.Filesystem, path string) *kernel.Node {
	t.Helper()
	n, err := f.OpenNode(path)
	must(t, err)
	t.Cleanup(func() { n.Close() })
	return n
}

func TestNode(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	for i, name := range oddNames {
		kind := []kernel.EntryType{kernel.EntrySubvolume, kernel.EntryDir, kernel.EntryFile}[i%3]
		switch kind {
		case kernel.EntrySubvolume:
			create(t, f, name)
		case kernel.EntryDir:
			mkdir(t, f, name)
		case kernel.EntryFile:
			must(t, os.WriteFile(loop.Path(name), nil, 0o640))
		}
		n := node(t, f, name)
		if n.Kind() != kind {
			t.Errorf("%q is a %v", name, n.Kind())
		}
		for _, value := range append([]string{kernel.CompressionNone, kernel.CompressionDefault}, kernel.CompressionKinds...) {
			must(t, n.SetCompression(value))
			if got, err := n.Compression(); err != nil || got != value {
				t.Errorf("compression of %q is %q, not %q: %v", name, got, value, err)
			}
			printed := strings.TrimSpace(btrfs(t, "property", "get", loop.Path(name), "compression"))
			if want := "compression=" + value; value != kernel.CompressionDefault && printed != want || value == kernel.CompressionDefault && printed != "" {
				t.Errorf("btrfs says %q of %q, not %q", printed, name, want)
			}
			if value != kernel.CompressionDefault {
				wantErr(t, "no-CoW with "+value, n.SetNoCow(true), kernel.ErrInvalid)
			}
		}
		must(t, n.SetCompression(kernel.CompressionDefault))
		for _, on := range []bool{true, true, false, false, true} {
			must(t, n.SetNoCow(on))
			if got, err := n.NoCow(); err != nil || got != on {
				t.Errorf("no-CoW of %q is %v: %v", name, got, err)
			}
		}
		wantErr(t, "compression without CoW", n.SetCompression("zstd"), kernel.ErrInvalid)
		if empty, err := n.Empty(); err != nil || !empty {
			t.Errorf("%q is not empty: %v", name, err)
		}
		must(t, n.SetMode(0o2750))
		must(t, n.SetOwner(12, -1))
		must(t, n.Sync())
	}
	var st unix.Stat_t
	must(t, unix.Stat(loop.Path(oddNames[0]), &st))
	if st.Mode&0o7777 != 0o2750 || st.Uid != 12 || st.Gid != 0 {
		t.Errorf("mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
	}
	if n := node(t, f, oddNames[0]); n.Mode() != 0o2750 {
		t.Errorf("mode %o", n.Mode())
	}

	// Data that is there: the kernel's silence is made an error.
	must(t, os.WriteFile(loop.Path("full"), []byte("data"), 0o600))
	n := node(t, f, "full")
	wantErr(t, "no-CoW of a file with data", n.SetNoCow(true), kernel.ErrNotEmpty)
	if empty, err := n.Empty(); err != nil || empty {
		t.Errorf("it is empty: %v", err)
	}
	if empty, err := node(t, f, "").Empty(); err != nil || empty {
		t.Errorf("the top level is empty: %v", err)
	}

	must(t, unix.Mkfifo(loop.Path("pipe"), 0o600))
	must(t, os.Symlink("full", loop.Path("link")))
	for path, want := range map[string]error{"pipe": kernel.ErrInvalid, "link": kernel.ErrSymlink, "none": kernel.ErrNotFound, "link/x": kernel.ErrSymlink} {
		_, err := f.OpenNode(path)
		wantErr(t, path, err, want)
	}
}

func TestSetReadOnly(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	a, b := create(t, f, "a"), create(t, f, "b")
	mkdir(t, f, "dir")
	wantErr(t, "another one", f.SetReadOnly("a", b.UUID, true), kernel.ErrChanged)
	wantErr(t, "a directory", f.SetReadOnly("dir", a.UUID, true), kernel.ErrNotSubvolume)
	wantErr(t, "zero", f.SetReadOnly("a", kernel.UUID{}, true), kernel.ErrInvalid)
	for _, on := range []bool{true, true, false, false} {
		must(t, f.SetReadOnly("a", a.UUID, on))
		got, err := f.Info(a.ID)
		must(t, err)
		printed := btrfs(t, "property", "get", "-ts", loop.Path("a"), "ro")
		if got.ReadOnly != on || strings.Contains(printed, "true") != on {
			t.Errorf("it is %v, and btrfs says %s", got.ReadOnly, printed)
		}
	}
}
