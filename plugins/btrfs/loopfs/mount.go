package loopfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// genericFlags are the mount options that are not the filesystem's own (man mount, "filesystem-independent").
var genericFlags = map[string]uintptr{
	"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"sync": unix.MS_SYNCHRONOUS, "noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME,
	"relatime": unix.MS_RELATIME, "strictatime": unix.MS_STRICTATIME,
	"rw": 0, "defaults": 0,
}

// mountFlags separates the options that mount(2) takes as flags from those that it hands on.
func mountFlags(options string) (flags uintptr, data string) {
	var own []string
	for option := range strings.SplitSeq(options, ",") {
		if flag, ok := genericFlags[option]; ok {
			flags |= flag
		} else if option != "" {
			own = append(own, option)
		}
	}
	return flags, strings.Join(own, ",")
}

// mountsBelow returns all mount points at or below dir, the latest first.
func mountsBelow(dir string) ([]string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := mountinfo.Self()
	if err != nil {
		return nil, err
	}
	var points []string
	for _, m := range slices.Backward(all) {
		if m.MountPoint == real || strings.HasPrefix(m.MountPoint, real+"/") {
			points = append(points, m.MountPoint)
		}
	}
	return points, nil
}

// patience is how long an unmount waits for what is in use: a process that ended may not have let go yet.
const patience = 10 * time.Second

// Unmount unmounts one mount point. It is an error if it is still in use after ten seconds.
func Unmount(point string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Unmount(point, unix.UMOUNT_NOFOLLOW)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("cannot unmount %s: %w", point, err)
		}
	}
}

// unmountBelow unmounts whatever is mounted at or below dir. What is in use gets a moment, as in Unmount.
func unmountBelow(dir string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		points, err := mountsBelow(dir)
		if err != nil || len(points) == 0 {
			return err
		}
		for _, point := range points {
			if err = unix.Unmount(point, unix.UMOUNT_NOFOLLOW); err != nil {
				err = fmt.Errorf("cannot unmount %s: %w", point, err)
				break
			}
		}
		// EINVAL: somebody else was faster.
		hopeless := err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EINVAL)
		if hopeless || err != nil && time.Now().After(deadline) {
			return err
		}
	}
}
