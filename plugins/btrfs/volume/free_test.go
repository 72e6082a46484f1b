package volume

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// What is put off happens once: when the lock is let go of, or when the while is over.
func TestAfter(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	f, err := kernel.Open(t.Context(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	key := NamesKey(f.UUID())
	var done atomic.Int32
	count := func(f *kernel.Filesystem) {
		if err := f.Sync(); err != nil {
			t.Error(err)
		}
		done.Add(1)
	}
	var locks Locks
	if locks.after(key, 0, count) || (*Locks)(nil).after(key, 0, count) {
		t.Error("it is put off without a lock")
	}
	for _, while := range []time.Duration{time.Hour, 0} {
		done.Store(0)
		if err := locks.Lock(t.Context(), []string{key}); err != nil {
			t.Fatal(err)
		}
		if !locks.after(key, while, count) {
			t.Error("it is not put off")
		}
		for i := 0; while == 0 && done.Load() == 0 && i < 3000; i++ {
			time.Sleep(10 * time.Millisecond)
		}
		if want := map[bool]int32{true: 1}[while == 0]; done.Load() != want {
			t.Errorf("before the end of the lock it was done %d times", done.Load())
		}
		if err := locks.Unlock(t.Context(), []string{key}); err != nil {
			t.Fatal(err)
		}
		if done.Load() != 1 {
			t.Errorf("it was done %d times", done.Load())
		}
	}
	// Deletions are durable and their space comes back with and without the lock.
	for _, h := range []Host{{}, {Locks: &locks}} {
		if h.Locks != nil {
			if err := locks.Lock(t.Context(), []string{key}); err != nil {
				t.Fatal(err)
			}
		}
		made, err := f.CreateSubvolume("gone")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.DeleteByUUID(made.ID, made.UUID); err != nil {
			t.Fatal(err)
		}
		if err := FreeSpace(h, f); err != nil {
			t.Fatal(err)
		}
		if err := locks.Unlock(t.Context(), []string{key}); err != nil {
			t.Fatal(err)
		}
		if err := f.WaitCleaned(t.Context(), []uint64{made.ID}, 0, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(fs.Path("gone")); err == nil {
		t.Error("the subvolume is there")
	}
}
