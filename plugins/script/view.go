package script

import (
	"errors"

	"golang.org/x/sys/unix"
)

// scratch is where a command that sees everything read-only has a folder of its own.
const scratch = "/dev/shm"

// readOnlyView gives the calling thread, and what it starts, mounts of its own: all that there are, read-only, with an empty
// tmpfs at scratch. The thread must not be used for anything else afterwards. Where the kernel can't (mount_setattr(2): Linux
// 5.12), or this process may not make namespaces, as in a container, the mounts are left as they are.
func readOnlyView() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return unable(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return unable(err)
	}
	err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if err != nil {
		return unable(err)
	}
	// A machine without that folder has no scratch.
	_ = unix.Mount("tmpfs", scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777,size=64m")
	return nil
}

// unable forgives what can't be had.
func unable(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
