package ages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// refuseMounted returns an error when a filesystem on a loop device of this file is in use. It does not notice a device
// that was attached to the file by a path that this process cannot reach, as from another mount namespace.
func refuseMounted(image os.FileInfo) error {
	if _, err := os.Stat("/sys/block"); err != nil {
		return fmt.Errorf("cannot tell whether it is mounted: %w", err)
	}
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return err
	}
	for _, file := range files {
		path, err := os.ReadFile(file)
		if gone(err) { // detached meanwhile
			continue
		}
		if err != nil {
			return err
		}
		// The kernel prints the path as it is now, whatever is in it, and one newline.
		backing, err := os.Stat(strings.TrimSuffix(string(path), "\n"))
		if err != nil || !os.SameFile(image, backing) {
			continue // a file that has no path any more is not the one that was just opened by one
		}
		loop := filepath.Base(filepath.Dir(filepath.Dir(file)))
		if err := refuseInUse(loop); err != nil {
			return err
		}
	}
	return nil
}

// gone reports whether a file of sysfs went away, before or after it was opened.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

// refuseInUse looks at a block device and at those on top of it, such as a device mapper's.
func refuseInUse(device string) error {
	mounts, err := mountinfo.Self()
	if err != nil {
		return err
	}
	dev, err := os.ReadFile(filepath.Join("/sys/class/block", device, "dev"))
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	number := strings.TrimSpace(string(dev))
	for _, m := range mounts {
		if fmt.Sprintf("%d:%d", m.Major, m.Minor) == number || m.FSType == "btrfs" && isDevice(m.Source, device, number) {
			return fmt.Errorf("it is mounted on %q through %s: unmount it first", m.MountPoint, device)
		}
	}
	// Mounts of other namespaces and those without a path are only here.
	members, err := filepath.Glob(filepath.Join("/sys/fs/btrfs/*/devices", device))
	if err != nil {
		return err
	}
	if len(members) > 0 {
		fsid := filepath.Base(filepath.Dir(filepath.Dir(members[0])))
		return fmt.Errorf("%w through %s, where this process cannot see it (filesystem %s)", ErrMounted, device, fsid)
	}
	holders, err := os.ReadDir(filepath.Join("/sys/class/block", device, "holders"))
	if err != nil && !gone(err) {
		return err
	}
	for _, holder := range holders {
		if err := refuseInUse(holder.Name()); err != nil {
			return err
		}
	}
	return nil
}

// ErrMounted says that an image is mounted where this process cannot see it: in a mount namespace that some process has
// just made as a copy, for example, and will drop soon.
var ErrMounted = errors.New("it is mounted")

// isDevice reports whether the source of a mount is the device with that name and number. A btrfs has a number of its
// own in the list of mounts.
func isDevice(source, name, number string) bool {
	if source == "/dev/"+name {
		return true
	}
	var st unix.Stat_t
	if unix.Stat(source, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return false
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)) == number
}
