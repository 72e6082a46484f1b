package loopfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Image is a sparse file without a name: it is gone with the last process that has it open, however that ends. The methods must
// not be called concurrently.
type Image struct {
	File *os.File
	// Under is what the loop device is made on; nil: File. It is for somebody who wants to see what is written on its way
	// to File, and has the same content.
	Under *os.File

	loop     *os.File
	linkable bool
}

// NewImage makes an image in an existing folder. The error is a *MissingError if the machine can't make filesystems at all.
func NewImage(dir string, size int64) (*Image, error) {
	if err := check(); err != nil {
		return nil, err
	}
	i := &Image{linkable: true}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case err == nil:
		i.File = os.NewFile(uintptr(fd), dir+"/(image)")
	case err == unix.EOPNOTSUPP || err == unix.EISDIR: // not every filesystem has files without a name: it loses it at once
		i.linkable = false
		if i.File, err = os.CreateTemp(dir, "coppice-image-"); err != nil {
			return nil, err
		}
		if err := os.Remove(i.File.Name()); err != nil {
			return nil, errors.Join(err, i.File.Close())
		}
	default:
		return nil, fmt.Errorf("cannot make a file in %s: %w", dir, err)
	}
	if err := i.File.Truncate(size); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make a sparse file of %d bytes in %s: %w", size, dir, err), i.File.Close())
	}
	return i, nil
}

// Path is a path to it, for this process and only while it is open.
func (i *Image) Path() string { return fmt.Sprintf("/proc/self/fd/%d", i.File.Fd()) }

// Attach puts it behind a loop device.
func (i *Image) Attach() error {
	under := i.Under
	if under == nil {
		under = i.File
	}
	loop, err := Attach(under, under.Name())
	if err != nil {
		return fmt.Errorf("cannot attach an image to a loop device: %w", err)
	}
	i.loop = loop
	return nil
}

// Device is the loop device, "" while it is not attached.
func (i *Image) Device() string {
	if i.loop == nil {
		return ""
	}
	return i.loop.Name()
}

// Detach lets go of the loop device. A mounted filesystem keeps it.
func (i *Image) Detach() error {
	if i.loop == nil {
		return nil
	}
	err := i.loop.Close()
	i.loop = nil
	return err
}

// Format makes a filesystem on the attached image.
func (i *Image) Format(args ...string) error {
	args = slices.Concat([]string{"--force", "--quiet", "--nodiscard"}, args, []string{i.Device()})
	if out, err := exec.Command("mkfs.btrfs", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot format: mkfs.btrfs %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Keep gives it a name: it stays from now on. It is not attached.
func (i *Image) Keep(path string) error {
	if !i.linkable {
		return fmt.Errorf("cannot keep an image as %s: the filesystem there has no files without a name", path)
	}
	if err := unix.Linkat(unix.AT_FDCWD, i.Path(), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return fmt.Errorf("cannot keep an image as %s: %w", path, err)
	}
	return nil
}

// Close detaches it, and lets go of it.
func (i *Image) Close() error { return errors.Join(i.Detach(), i.File.Close()) }

// Mount mounts an attached device, with options as for mount -o.
func Mount(device, at, options string) error {
	flags, data := mountFlags(options)
	if err := unix.Mount(device, at, "btrfs", flags, data); err != nil {
		return fmt.Errorf("cannot mount %s on %s with options %q: %w", device, at, options, err)
	}
	return nil
}
