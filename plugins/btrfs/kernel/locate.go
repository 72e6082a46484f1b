package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// located is a mounted filesystem.
type located struct {
	uuid    UUID
	label   string
	devices []string // paths, those that are missing left out
	at      string   // a mount point, "" if it was found another way
}

func (l located) String() string {
	s := l.uuid.String()
	if l.label != "" {
		s += " " + quote(l.label)
	}
	return s + " (" + strings.Join(l.devices, ", ") + " on " + l.at + ")"
}

func locate(op, ref string) (located, error) {
	if id, ok := strings.CutPrefix(ref, "UUID="); ok {
		want, err := ParseUUID(id)
		if err != nil {
			return located{}, &Error{Op: op, Subject: quote(ref), Kind: ErrInvalid, Err: err}
		}
		return pick(op, ref, "no mounted btrfs has this UUID", ErrNotFound, func(l located) bool { return l.uuid == want })
	}
	if label, ok := strings.CutPrefix(ref, "LABEL="); ok {
		if label == "" {
			return located{}, refuse(op, quote(ref), ErrInvalid, "the label is empty")
		}
		return pick(op, ref, "no mounted btrfs has this label", ErrNotFound, func(l located) bool { return l.label == label })
	}
	f, err := openLive(ref)
	var block blockDevice
	switch {
	case errors.As(err, &block):
		return locateDevice(op, ref, uint64(block))
	case err == unix.ENOENT || err == unix.ENOTDIR:
		return located{}, &Error{Op: op, Subject: quote(ref), Kind: ErrNotFound, Err: err}
	case err != nil:
		return located{}, fail(op, quote(ref), err)
	}
	defer f.Close()
	if err := mustBeBtrfs(op, ref, f); err != nil {
		return located{}, err
	}
	l, err := describe(f)
	if err != nil {
		return located{}, fail(op, quote(ref), err)
	}
	return l, nil
}

func mustBeBtrfs(op, path string, f *os.File) error {
	yes, err := isBtrfs(f)
	if err != nil {
		return fail(op, quote(path), err)
	}
	if !yes {
		return refuse(op, quote(path), ErrNotBtrfs, "the path is on another kind of filesystem%s", mountOf(f))
	}
	return nil
}

// mountOf says what is mounted there, for a message; "" if that can't be told.
func mountOf(f *os.File) string {
	id, err := mountID(f)
	if err != nil {
		return ""
	}
	all, err := mountinfo.Self()
	if err != nil {
		return ""
	}
	for _, m := range all {
		if m.ID == id {
			return fmt.Sprintf(": %s, mounted on %s", m.FSType, m.MountPoint)
		}
	}
	return ""
}

// locateDevice finds the filesystem that a block device, known by its number, is a part of.
func locateDevice(op, ref string, number uint64) (located, error) {
	missing, kind := "no mounted btrfs is on this block device", ErrNotMounted
	if has, err := hasSuperblock(ref); err == nil && !has {
		missing, kind = "no btrfs is on this block device", ErrNotBtrfs
	}
	return pick(op, ref, missing, kind, func(l located) bool {
		for _, d := range l.devices {
			var st unix.Stat_t
			if unix.Stat(d, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK && uint64(st.Rdev) == number {
				return true
			}
		}
		return false
	})
}

// hasSuperblock looks for the magic of the first superblock, BTRFS_MAGIC of linux/magic.h at 64 KiB.
func hasSuperblock(device string) (bool, error) {
	f, err := os.Open(device)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var magic [8]byte
	if _, err := f.ReadAt(magic[:], 64<<10+64); err != nil {
		return false, err
	}
	return string(magic[:]) == "_BHRfS_M", nil
}

// pick returns the one mounted filesystem that matches.
func pick(op, ref, missing string, kind error, match func(located) bool) (located, error) {
	all, err := mounted()
	if err != nil {
		return located{}, fail(op, quote(ref), err)
	}
	var hits, names []string
	var hit located
	for _, l := range all {
		names = append(names, l.String())
		if match(l) {
			hit = l
			hits = append(hits, l.String())
		}
	}
	switch {
	case len(hits) == 1:
		return hit, nil
	case len(hits) > 1:
		return located{}, refuse(op, quote(ref), ErrAmbiguous, "%d filesystems answer to it: %s", len(hits), strings.Join(hits, ", "))
	case len(names) == 0:
		return located{}, refuse(op, quote(ref), kind, "%s; none is mounted", missing)
	}
	return located{}, refuse(op, quote(ref), kind, "%s; mounted are %s", missing, strings.Join(names, ", "))
}

// Mounted returns the UUID of every btrfs that is mounted in this mount namespace and can be reached, once each, in the
// order of their mounting. It needs no privilege.
func Mounted() ([]UUID, error) {
	all, err := mounted()
	if err != nil {
		return nil, fail("list the mounted filesystems", "", err)
	}
	ids := make([]UUID, len(all))
	for i, l := range all {
		ids[i] = l.uuid
	}
	return ids, nil
}

// mounted returns every btrfs that is mounted in this mount namespace, once each, in the order of their mounting. One
// that can't be reached, because other mounts cover all of its mount points, is left out.
func mounted() ([]located, error) {
	mounts, err := mountinfo.Self()
	if err != nil {
		return nil, err
	}
	var all []located
	seen := map[[2]uint32]bool{}
	for _, m := range mounts {
		super := [2]uint32{m.Major, m.Minor}
		if m.FSType != "btrfs" || seen[super] {
			continue
		}
		f, err := openMount(unix.AT_FDCWD, m.MountPoint, m.ID)
		if err != nil {
			continue
		}
		l, err := describe(f)
		f.Close()
		if err != nil { // a broken filesystem must not keep the others from being found
			continue
		}
		l.at = m.MountPoint
		seen[super] = true
		all = append(all, l)
	}
	return all, nil
}

// describe asks an open file or directory of a btrfs for its filesystem.
func describe(f *os.File) (located, error) {
	info, err := fsInfo(f)
	if err != nil {
		return located{}, err
	}
	label, err := getLabel(f)
	if err != nil {
		return located{}, err
	}
	devices, err := devicesOf(f, info.maxID)
	if err != nil {
		return located{}, err
	}
	l := located{uuid: info.fsid, label: label}
	for _, d := range devices {
		if d.Path != "" {
			l.devices = append(l.devices, d.Path)
		}
	}
	return l, nil
}

// blockDevice is the error of openLive for a block device: its number.
type blockDevice uint64

func (blockDevice) Error() string { return "a block device" }

// openLive opens a path of the running system for asking about its filesystem, without side effects: of anything but a
// file or directory it opens the directory it lies in. Errors are bare errnos, or a blockDevice.
func openLive(path string) (*os.File, error) {
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, err
	}
	thing := os.NewFile(uintptr(fd), path)
	defer thing.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	reopen := fmt.Sprintf("/proc/self/fd/%d", fd)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		return nil, blockDevice(st.Rdev)
	case unix.S_IFDIR, unix.S_IFREG:
	default:
		target, err := os.Readlink(reopen)
		if err != nil {
			return nil, err
		}
		reopen = filepath.Dir(target)
	}
	real, err := again(func() (int, error) { return unix.Open(reopen, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	runtime.KeepAlive(thing)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(real), path), nil
}

// mountID returns the mount that an open file was reached through: the first field of its line in mountinfo. Kernel 5.8.
func mountID(f *os.File) (int, error) {
	var st unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st)
	runtime.KeepAlive(f)
	if err != nil {
		return 0, err
	}
	if st.Mask&unix.STATX_MNT_ID == 0 {
		return 0, unix.ENOSYS
	}
	return int(st.Mnt_id), nil
}

var errCovered = errors.New("another mount covers the mount point")

// openMount opens a mount point below root (a descriptor of a root directory, or AT_FDCWD for that of this process), and
// makes sure that what it got is that mount.
func openMount(root int, mountPoint string, id int) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	if root != unix.AT_FDCWD {
		how.Resolve |= unix.RESOLVE_IN_ROOT
	}
	fd, err := again(func() (int, error) { return unix.Openat2(root, mountPoint, &how) })
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), mountPoint)
	if got, err := mountID(f); err != nil || got != id {
		f.Close()
		return nil, errCovered
	}
	return f, nil
}

// devicesOf asks for every device ID up to the greatest.
func devicesOf(f *os.File, maxID uint64) ([]Device, error) {
	var all []Device
	for id := uint64(0); id <= maxID; id++ { // 0 is the target of a replace
		args := &devInfoArgs{devid: id}
		err := ioctlAgain(f, iocDevInfo, unsafe.Pointer(args))
		if err == unix.ENODEV {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Device{ID: id, UUID: args.uuid, Path: text(args.path[:]), Size: args.totalBytes, Allocated: args.bytesUsed})
	}
	return all, nil
}
