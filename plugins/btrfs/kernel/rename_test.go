package kernel_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

func TestRename(t *testing.T) {
	_, f := made(t, loopfs.Options{})
	mkdir(t, f, "dir")
	other := create(t, f, "other")
	for _, name := range oddNames {
		s := create(t, f, name)
		create(t, f, name+"/in")
		for from, to := range map[string]string{name: "dir/" + name} {
			must(t, f.Rename(from, s.UUID, to))
			got, err := f.ByUUID(s.UUID)
			if err != nil || got.Path != to || got.ID != s.ID {
				t.Errorf("%q is %+v, %v", to, got, err)
			}
			if in, found, err := f.AtPath(to + "/in"); err != nil || !found {
				t.Errorf("%q: %+v, %v", to, in, err)
			}
			must(t, f.Rename(to, s.UUID, "other/"+name))
			wantErr(t, "it is elsewhere", f.Rename(to, s.UUID, "x"), kernel.ErrNotFound)
		}
	}
	a, b := create(t, f, "a"), create(t, f, "b")
	wantErr(t, "another one", f.Rename("a", b.UUID, "c"), kernel.ErrChanged)
	wantErr(t, "zero", f.Rename("a", kernel.UUID{}, "c"), kernel.ErrInvalid)
	wantErr(t, "taken", f.Rename("a", a.UUID, "b"), kernel.ErrExists, unix.EEXIST)
	wantErr(t, "taken by a directory", f.Rename("a", a.UUID, "dir"), kernel.ErrExists)
	wantErr(t, "inside of itself", f.Rename("a", a.UUID, "a/x"), kernel.ErrInvalid)
	wantErr(t, "no parent", f.Rename("a", a.UUID, "none/x"), kernel.ErrNotFound)
	wantErr(t, "a directory", f.Rename("dir", a.UUID, "x"), kernel.ErrNotSubvolume)
	wantErr(t, "the top level", f.Rename("a", a.UUID, ""), kernel.ErrInvalid)
	must(t, f.SetReadOnly("a", a.UUID, true))
	must(t, f.SetReadOnly("other", other.UUID, true))
	wantErr(t, "read-only to another folder", f.Rename("a", a.UUID, "dir/a"), kernel.ErrReadOnly, unix.EROFS)
	wantErr(t, "into a read-only one", f.Rename("b", b.UUID, "other/b"), kernel.ErrReadOnly, unix.EROFS)
	must(t, f.Rename("a", a.UUID, "a2"))
	must(t, f.Rename("other", other.UUID, "other2"))
}

func TestSetDefault(t *testing.T) {
	_, f := made(t, loopfs.Options{})
	a, b := create(t, f, "a"), create(t, f, "b")
	wantErr(t, "another one", f.SetDefault(a.ID, b.UUID), kernel.ErrChanged)
	wantErr(t, "none", f.SetDefault(9999, b.UUID), kernel.ErrNotFound)
	for _, s := range []kernel.Subvolume{a, b, {ID: kernel.TopLevelID}} {
		must(t, f.SetDefault(s.ID, s.UUID))
		if got, err := f.Default(); err != nil || got != s.ID {
			t.Errorf("the default is %d, %v", got, err)
		}
	}
}
