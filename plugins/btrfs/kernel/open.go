package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Open opens the mounted btrfs that ref describes:
//
//   - UUID=…: the one with that fsid;
//   - LABEL=…: the one with that label, ErrAmbiguous if there are two;
//   - a block device: the one that it is a part of, ErrNotMounted if it is part of one that is not mounted;
//   - any other path: the one that the path is on. Symbolic links are followed.
//
// A path that is not on a btrfs is ErrNotBtrfs, and anything that is not there ErrNotFound. It needs CAP_SYS_ADMIN
// (ErrNotPermitted), /proc and the filesystem's device nodes. The state of the filesystem does not change: a read-only
// superblock stays read-only.
func Open(ctx context.Context, ref string) (*Filesystem, error) {
	const op = "open btrfs filesystem"
	if err := ctx.Err(); err != nil {
		return nil, fail(op, quote(ref), err)
	}
	asked := ref
	c, err := confinement()
	if err != nil {
		return nil, fail(op, quote(ref), err)
	}
	if c != nil {
		asked = c.translate(ref)
	}
	found, err := locate(op, asked)
	if err != nil {
		return nil, err
	}
	if c != nil && !slices.Contains(c.Only, found.uuid) {
		return nil, refuse(op, quote(ref), ErrNotFound, "it is filesystem %v, which is not part of the sandbox", found.uuid)
	}
	return mountTop(op, ref, found.devices, found.uuid, true)
}

// OpenDevice is Open for a block device whose filesystem need not be mounted, as in an initrd. If it is not, it is
// mounted by this: a log is replayed, and readOnly decides about the superblock. If it is mounted, readOnly has no
// meaning and the superblock stays as it is. All devices of the filesystem must be known to the kernel
// (`btrfs device scan`, or udev).
func OpenDevice(ctx context.Context, device string, readOnly bool) (*Filesystem, error) {
	const op = "open the btrfs filesystem on"
	f, err := Open(ctx, device)
	if !errors.Is(err, ErrNotMounted) {
		return f, err
	}
	return mountTop(op, device, []string{device}, UUID{}, readOnly)
}

// mountTop tries the devices in turn. want may be zero: any filesystem will do.
//
// readOnly is right for every filesystem that is mounted, writable ones too: here it only keeps the kernel from turning
// a read-only superblock writable (btrfs_reconfigure_for_mount). The private mount has no flag of its own, so that it
// is as writable as the superblock is.
func mountTop(op, ref string, devices []string, want UUID, readOnly bool) (*Filesystem, error) {
	var failures []error
	for _, device := range devices {
		f, err := mountDevice(device, readOnly)
		if err != nil {
			failures = append(failures, fail(op, quote(ref), fmt.Errorf("mounting %s privately: %w", quote(device), err)))
			continue
		}
		info, err := fsInfo(f.top)
		if err != nil {
			return nil, errors.Join(fail(op, quote(ref), err), f.Close())
		}
		f.uuid = info.fsid
		if want.IsZero() || f.uuid == want {
			return f, nil
		}
		failures = append(failures, refuse(op, quote(ref), ErrChanged, "%s now holds filesystem %v instead of %v", quote(device), f.uuid, want), f.Close())
	}
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return nil, refuse(op, quote(ref), ErrNotFound, "none of its devices has a name")
}

// mountDevice mounts the top level of the filesystem on a device where no path leads.
func mountDevice(device string, readOnly bool) (*Filesystem, error) {
	fd, err := unix.Fsopen("btrfs", unix.FSOPEN_CLOEXEC)
	switch {
	case err == unix.ENODEV:
		return nil, &Error{Op: "mount", Subject: quote(device), Kind: ErrUnsupported, Fact: "this kernel has no btrfs", Err: err}
	case err != nil:
		return nil, err
	}
	context := os.NewFile(uintptr(fd), "fsopen btrfs")
	defer context.Close()
	configure := func() error {
		if err := unix.FsconfigSetString(fd, "source", device); err != nil {
			return err
		}
		if err := unix.FsconfigSetString(fd, "subvolid", fmt.Sprint(TopLevelID)); err != nil {
			return err
		}
		if readOnly {
			if err := unix.FsconfigSetFlag(fd, "ro"); err != nil {
				return err
			}
		}
		return unix.FsconfigCreate(fd)
	}
	if err := configure(); err != nil {
		if said := contextLog(fd); said != "" {
			return nil, fmt.Errorf("%w (%s)", err, said)
		}
		return nil, err
	}
	// Without access times: looking must leave no trace.
	mountFd, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOATIME)
	if err != nil {
		return nil, err
	}
	mount := os.NewFile(uintptr(mountFd), device)
	topFd, err := again(func() (int, error) {
		return unix.Openat(mountFd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, errors.Join(err, mount.Close())
	}
	return &Filesystem{mount: mount, top: os.NewFile(uintptr(topFd), device), device: device}, nil
}

// contextLog returns what the kernel has to say about a failed fsconfig, one message a read, each behind a letter and
// a space.
func contextLog(fd int) string {
	var all []string
	for buffer := make([]byte, 1024); len(all) < 8; {
		n, err := unix.Read(fd, buffer)
		if err != nil || n < 3 {
			break
		}
		all = append(all, string(bytes.TrimSpace(buffer[2:n])))
	}
	return strings.Join(all, "; ")
}
