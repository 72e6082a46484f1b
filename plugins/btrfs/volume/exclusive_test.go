package volume_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func TestExclusiveLock(t *testing.T) {
	ctx := t.Context()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	f, err := kernel.Open(ctx, fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	target := volume.Target{Filesystem: sdk.Filesystem(fs.Mount)}
	locks, err := volume.ExclusiveLocks(ctx, target)
	if err != nil || len(locks) != 1 || locks[0].Key != "btrfs:"+f.UUID().String()+":exclusive" {
		t.Fatalf("%+v, %v", locks, err)
	}
	if _, err := os.Stat(fs.Path(volume.StateFolder)); err == nil {
		t.Error("asking for the key has left a trace")
	}
	var ours, theirs volume.Locks
	keys := []string{locks[0].Key}
	if err := ours.Lock(ctx, keys); err != nil {
		t.Fatal(err)
	}
	busy := func(what string, err error) {
		t.Helper()
		var e *sdk.Error
		if !errors.As(err, &e) || e.Reason != sdk.Busy {
			t.Errorf("%s: %v", what, err)
		}
	}
	busy("another process", theirs.Lock(ctx, keys))
	short := volume.Host{LockWait: 20 * time.Millisecond}
	_, err = volume.LockExclusive(ctx, short, f)
	busy("an action without the run's lock", err)
	unlock, err := volume.LockExclusive(ctx, volume.Host{Locks: &ours}, f)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	// The names are another matter.
	if err := theirs.Lock(ctx, []string{volume.NamesKey(f.UUID())}); err != nil {
		t.Error(err)
	}
	// The empty folder means nothing yet.
	if problem, err := volume.CheckState(f); problem != nil || err != nil {
		t.Errorf("%v, %v", problem, err)
	}
	if err := ours.Unlock(ctx, keys); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Lock(ctx, keys); err != nil {
		t.Error(err)
	}
	_ = theirs.Unlock(ctx, keys)
	if err := ours.Lock(ctx, []string{"btrfs:" + f.UUID().String() + ":names:exclusive"}); err == nil {
		t.Error("a lock that does not exist")
	}
}

func TestExclusiveLockReadOnly(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	for _, made := range []bool{false, true} {
		if made {
			if err := os.Mkdir(fs.Path(volume.StateFolder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := fs.Unmount(); err != nil {
			t.Fatal(err)
		}
		if err := fs.MountAgain("ro"); err != nil {
			t.Fatal(err)
		}
		f, err := kernel.Open(context.Background(), fs.Mount)
		if err != nil {
			t.Fatal(err)
		}
		unlock, err := volume.LockExclusive(t.Context(), volume.Host{LockWait: time.Second}, f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := volume.LockExclusive(t.Context(), volume.Host{LockWait: time.Millisecond}, f); (err != nil) != made {
			t.Errorf("with a folder: %v: %v", made, err)
		}
		unlock()
		f.Close()
		if err := fs.Unmount(); err != nil {
			t.Fatal(err)
		}
		if err := fs.MountAgain(""); err != nil {
			t.Fatal(err)
		}
	}
}
