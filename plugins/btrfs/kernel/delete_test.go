package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

func TestDeleteByUUID(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	kept := create(t, f, "kept")
	outer := create(t, f, "outer")
	inner := create(t, f, "outer/inner")
	ro, err := f.Snapshot(kernel.SnapshotSpec{SourceID: outer.ID, Name: "ro", ReadOnly: true})
	must(t, err)

	wantErr(t, "another UUID", f.DeleteByUUID(kept.ID, outer.UUID), kernel.ErrChanged)
	wantErr(t, "zero UUID", f.DeleteByUUID(kept.ID, kernel.UUID{}), kernel.ErrInvalid)
	wantErr(t, "no such ID", f.DeleteByUUID(99999, kept.UUID), kernel.ErrNotFound)
	wantErr(t, "the top level", f.DeleteByUUID(kernel.TopLevelID, kept.UUID), kernel.ErrInvalid)
	wantErr(t, "nested", f.DeleteByUUID(outer.ID, outer.UUID), kernel.ErrNotEmpty, unix.ENOTEMPTY)
	btrfs(t, "subvolume", "set-default", fmt.Sprint(kept.ID), loop.Mount)
	wantErr(t, "the default", f.DeleteByUUID(kept.ID, kept.UUID), kernel.ErrInUse, unix.EPERM)
	btrfs(t, "property", "set", loop.Path("outer"), "ro", "true")
	wantErr(t, "in a read-only one", f.DeleteByUUID(inner.ID, inner.UUID), kernel.ErrReadOnly, unix.EROFS)
	btrfs(t, "property", "set", loop.Path("outer"), "ro", "false")
	if all, err := f.List(); err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}

	held, err := os.Open(loop.Path("ro")) // keeps it from being cleaned
	must(t, err)
	for _, s := range []kernel.Subvolume{inner, outer, ro} {
		must(t, f.DeleteByUUID(s.ID, s.UUID))
		wantErr(t, "deleted already", f.DeleteByUUID(s.ID, s.UUID), kernel.ErrNotFound)
		_, err := f.Info(s.ID)
		wantErr(t, "deleted", err, kernel.ErrNotFound)
		_, err = f.ByUUID(s.UUID)
		wantErr(t, "deleted", err, kernel.ErrNotFound)
	}
	all, err := f.List()
	if err != nil || len(all) != 1 || all[0].ID != kept.ID {
		t.Fatalf("%v, %v", all, err)
	}
	if printed := btrfs(t, "subvolume", "list", loop.Mount); strings.Count(printed, "\n") != 1 || !strings.Contains(printed, "path kept\n") {
		t.Errorf("btrfs lists %s", printed)
	}
	must(t, f.Sync())
	patient, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	must(t, f.WaitCleaned(patient, []uint64{inner.ID, outer.ID}, 0, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	lefts := 0
	err = f.WaitCleaned(ctx, []uint64{inner.ID, outer.ID, ro.ID}, 10*time.Millisecond, func(left int) { lefts = left })
	wantErr(t, "one is open", err, kernel.ErrNotCleaned, context.DeadlineExceeded)
	if err != nil && !strings.Contains(err.Error(), fmt.Sprint(ro.ID)) || lefts != 1 {
		t.Errorf("%d left: %v", lefts, err)
	}
	if orphans, err := f.Orphans(); err != nil || len(orphans) != 1 || orphans[0] != ro.ID {
		t.Errorf("orphans %v, %v", orphans, err)
	}
	wantErr(t, "deleted but not cleaned", f.DeleteByUUID(ro.ID, ro.UUID), kernel.ErrNotFound)
	held.Close()
	must(t, f.Sync())
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	must(t, f.WaitCleaned(ctx, []uint64{inner.ID, outer.ID, ro.ID}, 0, nil))
	if orphans, err := f.Orphans(); err != nil || len(orphans) != 0 {
		t.Errorf("orphans %v, %v", orphans, err)
	}
	wantErr(t, "waiting for a live one", f.WaitCleaned(ctx, []uint64{kept.ID}, 0, nil), kernel.ErrInvalid)
	must(t, f.WaitCleaned(ctx, nil, 0, nil))
}

// Many deletions cost no commit each, and give the space back after one Sync.
func TestDeleteMany(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	var all []kernel.Subvolume
	for i := range 100 {
		s := create(t, f, fmt.Sprint("s", i))
		must(t, os.WriteFile(loop.Path(s.Path, "file"), make([]byte, 1<<20), 0o600))
		all = append(all, s)
	}
	must(t, f.Sync())
	before, err := f.Usage()
	must(t, err)
	var ids []uint64
	for _, s := range all {
		must(t, f.DeleteByUUID(s.ID, s.UUID))
		ids = append(ids, s.ID)
	}
	// A commit would have changed the generation of the top level's filesystem; orphans of all of them are waiting.
	if orphans, err := f.Orphans(); err != nil || len(orphans) == 0 {
		t.Errorf("%d orphans right after %d deletions, %v", len(orphans), len(all), err)
	}
	must(t, f.Sync())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	must(t, f.WaitCleaned(ctx, ids, 0, nil))
	must(t, f.Sync())
	after, err := f.Usage()
	must(t, err)
	if after.Used+90<<20 > before.Used {
		t.Errorf("used %d before, %d after", before.Used, after.Used)
	}
	if left, err := f.List(); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestLockNames(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20})
	g := open(t, loop.Loop[0]) // another mount of the same
	unlock, err := f.LockNames(t.Context())
	must(t, err)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, other := range []*kernel.Filesystem{f, g} {
		_, err = other.LockNames(short)
		wantErr(t, "locked", err, kernel.ErrBusy, context.DeadlineExceeded)
	}
	// What any other program sees: the directory of the top level, on whatever mount.
	dir, err := os.Open(loop.Mount)
	must(t, err)
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("flock on the mount point: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		unlock, err := g.LockNames(t.Context())
		if err == nil {
			unlock()
		}
		got <- err
	}()
	time.Sleep(20 * time.Millisecond)
	unlock()
	unlock()
	must(t, <-got)
}
