package kernel

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Holder is a use that keeps a deleted subvolume from being freed.
type Holder struct {
	Subvolume uint64 // ID
	PID       int
	What      string // "a mount at …", "an open file, …", "its working directory"
}

// Holders finds out what keeps the given deleted subvolumes: mounts, open files, and working and root directories of
// processes, as far as /proc shows them. A file that is only mapped into memory is not seen. It opens the files that processes
// have open once more, regular files and directories of btrfs only.
func (f *Filesystem) Holders(ids []uint64) ([]Holder, error) {
	mounted, err := f.MountedSubvolumes()
	if err != nil {
		return nil, err
	}
	var all []Holder
	for _, id := range ids {
		if at, ok := mounted[id]; ok {
			all = append(all, Holder{id, at.PID, "a mount at " + quote(at.Point)})
		}
	}
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fail("look for the users of filesystem", f.uuid.String(), err)
	}
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		proc := fmt.Sprintf("/proc/%d/", pid)
		add := func(link, what string) {
			if id, ok := f.subvolumeOf(proc + link); ok && slices.Contains(ids, id) {
				all = append(all, Holder{id, pid, what})
			}
		}
		add("cwd", "its working directory")
		add("root", "its root directory")
		open, _ := os.ReadDir(proc + "fd") // a process that is gone has none
		for _, o := range open {
			target, _ := os.Readlink(proc + "fd/" + o.Name())
			add("fd/"+o.Name(), "an open file, "+quote(target))
		}
	}
	return all, nil
}

// subvolumeOf is the ID of the subvolume that a link of /proc leads into, if that is of this filesystem.
func (f *Filesystem) subvolumeOf(link string) (uint64, bool) {
	fd, err := unix.Open(link, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil || uint32(fs.Type) != unix.BTRFS_SUPER_MAGIC || unix.Fstat(fd, &st) != nil {
		return 0, false
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return 0, false
	}
	real, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return 0, false
	}
	file := os.NewFile(uintptr(real), link)
	defer file.Close()
	info, err := fsInfo(file)
	if err != nil || info.fsid != f.uuid {
		return 0, false
	}
	id, err := treeOf(file)
	return id, err == nil
}
