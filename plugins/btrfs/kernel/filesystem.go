package kernel

import (
	"errors"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Filesystem is a mounted btrfs, held open at its top level. All methods may be called concurrently, Close excepted,
// which must come last. While it is open the filesystem can be unmounted everywhere else, but lives on.
type Filesystem struct {
	mount  *os.File // the private mount itself
	top    *os.File // its root directory, open for reading: ioctls need a real descriptor
	uuid   UUID
	device string

	closeOnce sync.Once
	closeErr  error
}

// Close lets go of the private mount. Further calls return the result of the first. Every Dir must be closed too
// before the kernel lets the mount go.
func (f *Filesystem) Close() error {
	f.closeOnce.Do(func() {
		f.closeErr = errors.Join(f.top.Close(), f.mount.Close())
	})
	return f.closeErr
}

// UUID is the fsid: what `btrfs filesystem show` calls uuid.
func (f *Filesystem) UUID() UUID { return f.uuid }

// Device is the block device that the private mount was made from, one of possibly several.
func (f *Filesystem) Device() string { return f.device }

// Label returns the label, "" when there is none.
func (f *Filesystem) Label() (string, error) {
	label, err := getLabel(f.top)
	if err != nil {
		return "", fail("read the label of filesystem", f.uuid.String(), err)
	}
	return label, nil
}

// ReadOnly reports whether the superblock is read-only at this moment, in which case no change is possible through any
// mount. The kernel makes it so by itself after an error.
func (f *Filesystem) ReadOnly() (bool, error) {
	var st unix.Statfs_t
	_, err := again(func() (struct{}, error) { return struct{}{}, unix.Fstatfs(int(f.top.Fd()), &st) })
	runtime.KeepAlive(f)
	if err != nil {
		return false, fail("read the state of filesystem", f.uuid.String(), err)
	}
	return st.Flags&unix.ST_RDONLY != 0, nil
}

// Fd returns the descriptor of the top level's directory. It is valid until Close and stays the Filesystem's own: the
// caller neither closes it nor changes its file offset.
func (f *Filesystem) Fd() uintptr { return f.top.Fd() }

// Commit writes all dirty data and metadata of the filesystem and commits (syncfs). Other than Sync it leaves the cleaner asleep, for
// which all that is written afterwards would have to wait: Sync wakes it, and the kernel itself at the next periodic commit.
func (f *Filesystem) Commit() error {
	const op = "commit filesystem"
	_, err := again(func() (struct{}, error) { return struct{}{}, unix.Syncfs(int(f.top.Fd())) })
	runtime.KeepAlive(f)
	if err != nil {
		return fail(op, f.uuid.String(), err)
	}
	// Before Linux 5.17 syncfs does not tell of a commit that failed. The kernel is done with the filesystem then.
	switch broken, err := f.ReadOnly(); {
	case err != nil:
		return err
	case broken:
		return fail(op, f.uuid.String(), unix.EROFS)
	}
	return nil
}

// Sync writes all dirty data and metadata of the filesystem and commits (BTRFS_IOC_SYNC). It also wakes the cleaner, so
// that one Sync after a number of deletions makes their space come back soon.
func (f *Filesystem) Sync() error {
	if err := ioctlAgain(f.top, iocSync, nil); err != nil {
		return fail("sync filesystem", f.uuid.String(), err)
	}
	return nil
}
