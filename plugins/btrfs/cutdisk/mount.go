package cutdisk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mounted is a file system of one file that has no place in the tree of files: gone with those who hold it open.
type mounted struct {
	mount *os.File
}

// mountFile makes the file system whose requests come to kernel, /dev/fuse.
func mountFile(kernel *os.File) (_ *mounted, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot mount a disk to record: %w", err)
		}
	}()
	fd, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	context := os.NewFile(uintptr(fd), "fsopen fuse")
	defer context.Close()
	for _, o := range [][2]string{{"source", "cutdisk"}, {"fd", fmt.Sprint(kernel.Fd())}, {"rootmode", fmt.Sprintf("%o", unix.S_IFREG|0o600)},
		{"user_id", "0"}, {"group_id", "0"}} {
		if err := unix.FsconfigSetString(fd, o[0], o[1]); err != nil {
			return nil, fmt.Errorf("%s: %w", o[0], err)
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, err
	}
	at, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, err
	}
	return &mounted{os.NewFile(uintptr(at), "cutdisk")}, nil
}

// open opens the file. It waits until somebody serves it.
func (m *mounted) open() (*os.File, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", m.mount.Fd()), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the disk: %w", err)
	}
	return os.NewFile(uintptr(fd), "cutdisk"), nil
}

func (m *mounted) close() error { return m.mount.Close() }

// openKernel opens the kernel's end of a new file system.
func openKernel() (*os.File, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("this kernel has no FUSE, or /dev has no fuse: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open /dev/fuse: %w", err)
	}
	return os.NewFile(uintptr(fd), "/dev/fuse"), nil
}
