package loopfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// WithoutDiscard makes a directory for Options.Dir in which the devices of a filesystem can't discard blocks, as hard disks: in
// memory (ramfs), so keep the filesystem small. remove unmounts it, after the filesystem is closed.
func WithoutDiscard(parent string) (dir string, remove func() error, err error) {
	dir, err = os.MkdirTemp(parent, "coppice-nodiscard-")
	if err != nil {
		return "", nil, err
	}
	if err := unix.Mount("coppice", dir, "ramfs", 0, ""); err != nil {
		return "", nil, errors.Join(fmt.Errorf("cannot mount a ramfs on %s: %w", dir, err), os.Remove(dir))
	}
	return dir, func() error { return errors.Join(unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir)) }, nil
}
