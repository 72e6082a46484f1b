package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// MountedAt is one place where a subvolume is mounted.
type MountedAt struct {
	PID   int    // a process that sees the mount, the lowest
	Point string // where, as that process sees it

	// Certain is false if it could not be found out whether the mount is of this filesystem or of another btrfs with a
	// subvolume of the same ID.
	Certain bool
}

// MountedSubvolumes returns which subvolumes of this filesystem are mounted anywhere, in whole or a part of them, by ID:
// in the mount namespaces of all processes, containers included, as far as /proc shows them. What can't be decided
// counts as mounted. Private mounts (such as that of a Filesystem), the layers of an overlay, and namespaces that are
// only held by a bind mount are not seen.
func (f *Filesystem) MountedSubvolumes() (map[uint64]MountedAt, error) {
	// A mount that was undone between reading of it and asking it can't be decided. A second look does not see it, while
	// one that is there to stay (say, below another mount) is as undecided as before.
	const looks = 3
	for look := 1; ; look++ {
		mounted, err := f.mountedNow()
		if err != nil || look == looks || allCertain(mounted) {
			return mounted, err
		}
	}
}

func allCertain(mounted map[uint64]MountedAt) bool {
	for _, at := range mounted {
		if !at.Certain {
			return false
		}
	}
	return true
}

func (f *Filesystem) mountedNow() (map[uint64]MountedAt, error) {
	const op = "find the mounted subvolumes of filesystem"
	all, err := mountTables()
	if err != nil {
		return nil, fail(op, f.uuid.String(), err)
	}
	owners := ownersOf(all)
	mounted := map[uint64]MountedAt{}
	for _, table := range all {
		for _, m := range table.mounts {
			owner, known := owners[superOf(m)]
			if m.FSType != "btrfs" || known && owner != f.uuid {
				continue
			}
			// The kernel prints the subvolume of the mount's own root, also for a bind mount of a directory in it.
			value, _ := m.SuperOption("subvolid")
			id, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return nil, refuse(op, f.uuid.String(), nil, "process %d has a btrfs on %s that does not say which subvolume it is", table.pid, quote(m.MountPoint))
			}
			if at, ok := mounted[id]; !ok || known && !at.Certain {
				mounted[id] = MountedAt{PID: table.pid, Point: m.MountPoint, Certain: known}
			}
		}
	}
	return mounted, nil
}

// mountTable is what one process sees mounted.
type mountTable struct {
	pid    int
	mounts []mountinfo.Mount
}

// mountTables returns each different table once, in the order of process IDs. Processes that end meanwhile, and those
// that may not be looked into, are left out.
func mountTables() ([]mountTable, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	// A process sees the mounts of its namespace below its root directory: two with the same namespace and root see the
	// same, but one after chroot sees fewer.
	type view struct {
		namespace    string
		mount, inode uint64
		major, minor uint32 // of the root's subvolume: all subvolume roots have the same inode
	}
	seen := map[view]bool{}
	var all []mountTable
	for _, pid := range pids {
		proc := "/proc/" + strconv.Itoa(pid)
		var v view
		var root unix.Statx_t
		if v.namespace, err = os.Readlink(proc + "/ns/mnt"); err == nil {
			err = unix.Statx(unix.AT_FDCWD, proc+"/root", 0, unix.STATX_INO|unix.STATX_MNT_ID, &root)
		}
		if err == nil {
			v.mount, v.inode, v.major, v.minor = root.Mnt_id, root.Ino, root.Dev_major, root.Dev_minor
			if seen[v] {
				continue
			}
		}
		mounts, readErr := mountinfo.ReadFile(proc + "/mountinfo")
		switch {
		case readErr == nil:
		case gone(readErr) || errors.Is(readErr, os.ErrPermission):
			continue
		default:
			return nil, readErr
		}
		if err == nil {
			seen[v] = true
		}
		all = append(all, mountTable{pid, mounts})
	}
	return all, nil
}

// gone is the error of reading about a process that ended, or that has only its exit status left (EINVAL).
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL)
}

// super identifies a mounted filesystem while it is mounted; no file's st_dev shows it for btrfs.
type super struct{ major, minor uint32 }

func superOf(m mountinfo.Mount) super { return super{m.Major, m.Minor} }

// ownersOf finds the fsid of every btrfs superblock by asking at one of its mount points. One that can't be asked is not
// in the result.
func ownersOf(all []mountTable) map[super]UUID {
	owners := map[super]UUID{}
	for _, table := range all {
		var root *os.File
		for _, m := range table.mounts {
			if _, known := owners[superOf(m)]; known || m.FSType != "btrfs" {
				continue
			}
			if root == nil {
				var err error
				if root, err = openRoot(table.pid); err != nil {
					break
				}
			}
			if id, err := askFSID(root, m); err == nil {
				owners[superOf(m)] = id
			}
		}
		if root != nil {
			root.Close()
		}
	}
	return owners
}

func openRoot(pid int) (*os.File, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "root"), nil
}

func askFSID(root *os.File, m mountinfo.Mount) (UUID, error) {
	at, err := openMount(int(root.Fd()), filepath.Clean(m.MountPoint), m.ID)
	if err != nil {
		return UUID{}, err
	}
	defer at.Close()
	info, err := fsInfo(at)
	if err != nil {
		return UUID{}, err
	}
	return info.fsid, nil
}
