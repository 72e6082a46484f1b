package kernel

import (
	"os"

	"golang.org/x/sys/unix"
)

// OpenFile opens what is at a path below d, with the flags and mode of open(2). No symbolic link is followed on the way or
// at its end; O_PATH with O_NOFOLLOW gives a link itself.
func (d *Dir) OpenFile(path string, flags int, mode uint32) (*os.File, error) {
	const op = "open"
	clean, err := cleanPath(op, path)
	if err != nil {
		return nil, err
	}
	file, err := openBeneath(d.file, clean, flags, mode)
	if err == nil {
		return file, nil
	}
	way := clean // which element of it is to blame?
	if flags&unix.O_DIRECTORY == 0 {
		way, _ = splitPath(clean)
	}
	if way != "" {
		at, blamed := openDirBeneath(op, d.file, way, joinPath(d.path, clean))
		if blamed != nil {
			return nil, blamed
		}
		at.Close()
	}
	return nil, fail(op, quote(joinPath(d.path, clean)), err)
}

// OpenLive opens a path of the running system without following any symbolic link (ErrSymlink): whoever may write to a
// directory on the way could point it anywhere. Mounts are crossed. The path is absolute.
func OpenLive(path string, flags int) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := again(func() (int, error) { return unix.Openat2(unix.AT_FDCWD, path, &how) })
	if err != nil {
		return nil, fail("open", quote(path), err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
