package kernel

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Attach mounts the top level of the filesystem, once more, over a directory of the running system, in the mount namespace
// of the calling thread. It is for a namespace that was made for one other program, which needs a path: in any other one
// everybody would see it, and whatever was at that directory would be covered.
func (f *Filesystem) Attach(path string) error {
	const op = "attach filesystem"
	again, err := mountDevice(f.device, true)
	if err != nil {
		return fail(op, f.uuid.String(), err)
	}
	info, err := fsInfo(again.top)
	if err == nil && info.fsid != f.uuid {
		err = refuse(op, f.uuid.String(), ErrChanged, "%s now holds filesystem %v", quote(f.device), UUID(info.fsid))
	}
	if err == nil {
		err = unix.MoveMount(int(again.mount.Fd()), "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
	}
	if err != nil {
		return errors.Join(fail(op, f.uuid.String(), err), again.Close())
	}
	return again.Close()
}
