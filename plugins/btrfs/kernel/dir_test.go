package kernel_test

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

func TestDirAndFiles(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20})
	created, err := f.MkdirAll("a/b ü/c", 0o751)
	if err != nil || !slices.Equal(created, []string{"a", "a/b ü", "a/b ü/c"}) {
		t.Fatalf("%q, %v", created, err)
	}
	if st, err := os.Stat(loop.Path("a")); err != nil || st.Mode().Perm() != 0o751 {
		t.Errorf("%v, %v", st, err)
	}
	created, err = f.MkdirAll("a/b ü/c/d", 0o700)
	if err != nil || !slices.Equal(created, []string{"a/b ü/c/d"}) {
		t.Errorf("%q, %v", created, err)
	}
	if created, err = f.MkdirAll("", 0o700); err != nil || created != nil {
		t.Errorf("%q, %v", created, err)
	}
	d, err := f.OpenDir("a/b ü")
	must(t, err)
	defer d.Close()
	created, err = d.MkdirAll("e", 0o700)
	if err != nil || !slices.Equal(created, []string{"a/b ü/e"}) || d.Path() != "a/b ü" {
		t.Errorf("%q, %v, %q", created, err, d.Path())
	}
	// Whole contents, and modes, replace each other.
	for i, content := range []string{"first", "", "second\x00\n"} {
		must(t, d.WriteFileAtomic("file", []byte(content), 0o600+uint32(i)))
		b, err := f.ReadFile("a/b ü/file")
		if err != nil || string(b) != content {
			t.Errorf("%q, %v", b, err)
		}
		if st, err := os.Stat(loop.Path("a/b ü/file")); err != nil || int(st.Mode().Perm()) != 0o600+i {
			t.Errorf("%v, %v", st.Mode(), err)
		}
	}
	create(t, f, "a/b ü/sub")
	must(t, os.Symlink("file", loop.Path("a/b ü/link")))
	must(t, os.Symlink("/etc", loop.Path("a/etc")))
	must(t, os.Symlink("b ü", loop.Path("a/inside")))
	must(t, unix.Mkfifo(loop.Path("a/b ü/pipe"), 0o600))
	entries, err := d.ReadEntries()
	want := []kernel.Entry{
		{Name: "c", Type: kernel.EntryDir}, {Name: "e", Type: kernel.EntryDir}, {Name: "file", Type: kernel.EntryFile},
		{Name: "link", Type: kernel.EntrySymlink}, {Name: "pipe", Type: kernel.EntryOther}, {Name: "sub", Type: kernel.EntrySubvolume},
	}
	if err != nil || !slices.Equal(entries, want) {
		t.Errorf("%v, %v", entries, err)
	}
	for path, want := range map[string]bool{"": true, "a": true, "a/inside": true, "none": false, "none/x": false, "a/b ü/file/x": false} {
		if found, err := f.Exists(path); err != nil || found != want {
			t.Errorf("Exists(%q) is %v, %v", path, found, err)
		}
	}
	for _, e := range want {
		if typ, found, err := d.Stat(e.Name); err != nil || !found || typ != e.Type {
			t.Errorf("Stat(%q) is %v, %v, %v", e.Name, typ, found, err)
		}
	}

	// No link is followed, wherever it leads and whatever is to be done.
	for _, link := range []string{"a/etc", "a/inside"} {
		for what, do := range map[string]func() error{
			"OpenDir":         func() error { _, err := f.OpenDir(link); return err },
			"Exists":          func() error { _, err := f.Exists(link + "/hosts"); return err },
			"ReadFile":        func() error { _, err := f.ReadFile(link + "/hosts"); return err },
			"WriteFileAtomic": func() error { return f.WriteFileAtomic(link+"/new", nil, 0o600) },
			"MkdirAll":        func() error { _, err := f.MkdirAll(link+"/new", 0o700); return err },
			"Remove":          func() error { return f.Remove(link + "/hosts") },
			"CreateSubvolume": func() error { _, err := f.CreateSubvolume(link + "/new"); return err },
			"Snapshot": func() error {
				_, err := f.Snapshot(kernel.SnapshotSpec{SourcePath: link + "/sub", Name: "new"})
				return err
			},
		} {
			wantErr(t, what+" "+link, do(), kernel.ErrSymlink)
		}
	}
	_, err = f.ReadFile("a/b ü/link")
	wantErr(t, "reading a link", err, kernel.ErrSymlink)
	_, err = f.ReadFile("a/b ü/pipe")
	wantErr(t, "reading a pipe", err, kernel.ErrInvalid)
	_, err = f.ReadFile("a/b ü/none")
	wantErr(t, "reading nothing", err, kernel.ErrNotFound, os.ErrNotExist)
	_, err = f.OpenDir("a/b ü/file")
	wantErr(t, "a file as a directory", err, kernel.ErrInvalid, unix.ENOTDIR)
	_, err = f.OpenDir("../x")
	wantErr(t, "dots", err, kernel.ErrInvalid)

	wantErr(t, "removing a subvolume", f.Remove("a/b ü/sub"), kernel.ErrIsSubvolume)
	wantErr(t, "removing a directory that is not empty", d.Remove("c"), kernel.ErrNotEmpty)
	wantErr(t, "removing nothing", d.Remove("none"), kernel.ErrNotFound)
	wantErr(t, "removing itself", d.Remove(""), kernel.ErrInvalid)
	for _, name := range []string{"file", "link", "pipe", "e", "c/d"} {
		must(t, d.Remove(name))
		if found, err := d.Exists(name); err != nil || found {
			t.Errorf("%s is still there, %v", name, err)
		}
	}
	if _, err := os.Stat("/etc/new"); err == nil {
		t.Error("written through a link")
	}
	big, err := os.Create(loop.Path("big"))
	must(t, err)
	must(t, big.Truncate(kernel.MaxFileSize+1))
	must(t, big.Close())
	_, err = f.ReadFile("big")
	wantErr(t, "a file too big", err, kernel.ErrInvalid)
}
