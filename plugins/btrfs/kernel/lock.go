package kernel

import (
	"context"
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
	const op = "lock the names of filesystem"
	// A description of its own: flock does not exclude users of the same one.
	dir, err := openBeneath(f.top, "", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fail(op, f.uuid.String(), err)
	}
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		_, err := again(func() (struct{}, error) {
			return struct{}{}, unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		})
		runtime.KeepAlive(dir)
		if err == nil {
			var once sync.Once
			return func() { once.Do(func() { dir.Close() }) }, nil
		}
		if err != unix.EWOULDBLOCK {
			dir.Close()
			return nil, fail(op, f.uuid.String(), err)
		}
		select {
		case <-ctx.Done():
			dir.Close()
			return nil, &Error{Op: op, Subject: f.uuid.String(), Kind: ErrBusy, Fact: "another process holds the lock", Err: ctx.Err()}
		case <-time.After(pause):
		}
	}
}
