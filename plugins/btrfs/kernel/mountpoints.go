package kernel

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// MountPoint is where this process sees the root of a subvolume mounted.
type MountPoint struct {
	Point     string
	Subvolume uint64 // its ID
}

// MountPoints are those of this filesystem that this process can reach, in the order of their mounting. Mounts of a folder inside
// a subvolume are left out.
func (f *Filesystem) MountPoints() ([]MountPoint, error) {
	all, err := mountinfo.Self()
	if err != nil {
		return nil, fail("find the mount points of filesystem", f.uuid.String(), err)
	}
	var points []MountPoint
	for _, m := range all {
		value, _ := m.SuperOption("subvolid")
		id, err := strconv.ParseUint(value, 10, 64)
		if m.FSType != "btrfs" || err != nil {
			continue
		}
		at, err := openMount(unix.AT_FDCWD, m.MountPoint, m.ID)
		if err != nil {
			continue // covered
		}
		info, err := fsInfo(at)
		st, statErr := at.Stat()
		at.Close()
		if err == nil && statErr == nil && UUID(info.fsid) == f.uuid && inodeOf(st) == inodeRoot {
			points = append(points, MountPoint{Point: m.MountPoint, Subvolume: id})
		}
	}
	return points, nil
}
