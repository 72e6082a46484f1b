package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

func TestExtrefParents(t *testing.T) {
	item := func(parent uint64, name string) []byte {
		b := make([]byte, 18)
		binary.LittleEndian.PutUint64(b, parent)
		binary.LittleEndian.PutUint16(b[16:], uint16(len(name)))
		return append(b, name...)
	}
	both := slices.Concat(item(7, "a"), item(1<<40, strings.Repeat("x", 255)))
	if got, ok := extrefParents(both); !ok || !slices.Equal(got, []uint64{7, 1 << 40}) {
		t.Errorf("%v, %v", got, ok)
	}
	for cut := range both {
		if got, ok := extrefParents(both[:cut]); ok && cut != 0 && cut != len(item(7, "a")) {
			t.Errorf("cut at %d: %v", cut, got)
		}
	}
}

// Every directory on the way to what has changed is found, also where a file has so many names that they need several items.
func TestChanged(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	f, err := Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root, err := f.CreateSubvolume("root")
	if err != nil {
		t.Fatal(err)
	}
	inode := func(path string) uint64 {
		t.Helper()
		st, err := os.Lstat(fs.Path("root", path))
		if err != nil {
			t.Fatal(err)
		}
		return st.Sys().(*syscall.Stat_t).Ino
	}
	for _, dir := range []string{"many/deep", "other/deep", "still/deep"} {
		if err := os.MkdirAll(fs.Path("root", dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := fs.Path("root/many/deep/file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(file, fs.Path("root/other/deep/file")); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := os.Link(file, fs.Path("root/many/deep", fmt.Sprintf("%s%d", strings.Repeat("n", 200), i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(fs.Path("root/still/deep/file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	snap, err := f.Snapshot(SnapshotSpec{SourceID: root.ID, Name: "snap", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	changed := func() map[uint64]bool {
		t.Helper()
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		all, err := f.Changed(root.ID, snap.OTransID)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := changed(); len(all) != 0 {
		t.Errorf("nothing has changed: %v", all)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	all := changed()
	for _, path := range []string{"many/deep/file", "many/deep", "many", "other/deep", "other", "."} {
		if !all[inode(path)] {
			t.Errorf("%s is not found: %v", path, all)
		}
	}
	for _, path := range []string{"still", "still/deep", "still/deep/file"} {
		if all[inode(path)] {
			t.Errorf("%s has not changed: %v", path, all)
		}
	}
}

func TestExchange(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	f, err := Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, dir := range []string{"archive", "a/in"} {
		if _, err := f.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	made := map[string]Subvolume{}
	for _, path := range []string{"root", "archive/new", "root/nested", "a/in/b"} {
		if made[path], err = f.CreateSubvolume(path); err != nil {
			t.Fatal(err)
		}
	}
	place := func(path, is string) Place { return Place{path, made[is].UUID} }
	if err := f.Exchange(place("root", "root"), place("archive/new", "archive/new")); err != nil {
		t.Fatal(err)
	}
	for path, is := range map[string]string{"root": "archive/new", "archive/new": "root", "archive/new/nested": "root/nested"} {
		if s, found, err := f.AtPath(path); !found || err != nil || s.UUID != made[is].UUID {
			t.Errorf("%s: %v, %v", path, s, err)
		}
	}
	for _, c := range []struct {
		a, b Place
		want error
	}{
		{place("root", "root"), place("archive/new", "archive/new"), ErrChanged},
		{Place{Path: "root"}, place("archive/new", "root"), ErrInvalid},
		{place("none", "root"), place("archive/new", "root"), ErrNotFound},
		{place("a/in", "a/in/b"), place("archive/new", "root"), ErrNotSubvolume},
		{place("archive/new", "root"), place("archive/new/nested", "root/nested"), ErrInvalid},
	} {
		if err := f.Exchange(c.a, c.b); !errors.Is(err, c.want) {
			t.Errorf("%v and %v: %v, expected %v", c.a, c.b, err, c.want)
		}
	}

	// Where directories of the running system are.
	for path, want := range map[string]string{"": "", "archive": "archive", "archive/new/nested": "archive/new/nested", "a/in": "a/in"} {
		dir, err := OpenLive(fs.Path(path), syscall.O_RDONLY|syscall.O_DIRECTORY)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.WhereIs(dir); got != want || err != nil {
			t.Errorf("%q is at %q, %v", path, got, err)
		}
		dir.Close()
	}
	dir, err := OpenLive("/proc", syscall.O_RDONLY|syscall.O_DIRECTORY)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := f.WhereIs(dir); !errors.Is(err, ErrNotBtrfs) {
		t.Errorf("/proc: %v", err)
	}
	if err := os.Symlink("archive", fs.Path("link")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLive(fs.Path("link/new"), syscall.O_RDONLY|syscall.O_DIRECTORY); !errors.Is(err, ErrSymlink) {
		t.Errorf("through a link: %v", err)
	}
}
