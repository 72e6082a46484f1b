package kernel

import (
	"context"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// LockNames takes the lock of everybody who creates, deletes or renames subvolumes of this filesystem: a flock on the
// inode of the top level, which holds across mounts, mount namespaces and processes. It waits until ctx ends, then
// returns ErrBusy. unlock may be called more than once; the lock also ends with the process. A second LockNames of the
// same process waits like any other.
func (f *Filesystem) LockNames(ctx context.Context) (unlock func(), err error) {
	return f.lockDir(ctx, "lock the names of filesystem", "")
}

// LockDir is LockNames for the inode of a directory. While it waits, another directory may come into its place: the lock is on
// the one that is there when LockDir returns. ErrNotFound if there is none.
func (f *Filesystem) LockDir(ctx context.Context, path string) (unlock func(), err error) {
	const op = "lock directory"
	clean, err := cleanPath(op, path)
	if err != nil {
		return nil, err
	}
	return f.lockDir(ctx, op, clean)
}

func (f *Filesystem) lockDir(ctx context.Context, op, clean string) (unlock func(), err error) {
	subject := f.uuid.String()
	if clean != "" {
		subject = quote(clean)
	}
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		// A description of its own: flock does not exclude users of the same one.
		dir, err := openDirBeneath(op, f.top, clean, clean)
		if err != nil {
			return nil, fail(op, subject, err)
		}
		_, err = again(func() (struct{}, error) {
			return struct{}{}, unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		})
		runtime.KeepAlive(dir)
		if err == nil && f.isStill(clean, dir) {
			var once sync.Once
			return func() { once.Do(func() { dir.Close() }) }, nil
		}
		dir.Close()
		if err != nil && err != unix.EWOULDBLOCK {
			return nil, fail(op, subject, err)
		}
		select {
		case <-ctx.Done():
			return nil, &Error{Op: op, Subject: subject, Kind: ErrBusy, Fact: "another process holds the lock", Err: ctx.Err()}
		case <-time.After(pause):
		}
	}
}

// isStill reports whether a path leads to an open directory.
func (f *Filesystem) isStill(clean string, dir *os.File) bool {
	if clean == "" {
		return true
	}
	there, err := lstatAt(f.top, clean)
	if err != nil {
		return false
	}
	var held unix.Stat_t
	err = unix.Fstat(int(dir.Fd()), &held)
	runtime.KeepAlive(dir)
	return err == nil && held.Dev == there.Dev && held.Ino == there.Ino
}
