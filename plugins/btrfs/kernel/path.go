package kernel

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// cleanPath checks a path and drops empty and "." elements; the result is "" for the directory itself.
func cleanPath(op, path string) (string, error) {
	switch {
	case strings.HasPrefix(path, "/"):
		return "", refuse(op, quote(path), ErrInvalid, "a path inside the filesystem starts at the top level, without \"/\"")
	case strings.ContainsRune(path, 0):
		return "", refuse(op, quote(path), ErrInvalid, "a NUL byte is in the path")
	}
	var elements []string
	for e := range strings.SplitSeq(path, "/") {
		switch {
		case e == "" || e == ".":
			continue
		case e == "..":
			return "", refuse(op, quote(path), ErrInvalid, "\"..\" is in the path")
		case len(e) > nameMax:
			return "", refuse(op, quote(path), ErrInvalid, "a name has %d bytes, the most is %d", len(e), nameMax)
		}
		elements = append(elements, e)
	}
	return strings.Join(elements, "/"), nil
}

// checkName checks a name that is to be made.
func checkName(op, name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return refuse(op, quote(name), ErrInvalid, "this can not be a name")
	case strings.ContainsAny(name, "/\x00"):
		return refuse(op, quote(name), ErrInvalid, "a name can have neither \"/\" nor NUL in it")
	case len(name) > nameMax:
		return refuse(op, quote(name), ErrInvalid, "the name has %d bytes, the most is %d", len(name), nameMax)
	}
	return nil
}

// splitPath separates the last element of a clean path.
func splitPath(clean string) (dir, name string) {
	if i := strings.LastIndexByte(clean, '/'); i >= 0 {
		return clean[:i], clean[i+1:]
	}
	return "", clean
}

func joinPath(dir, name string) string {
	if dir == "" || name == "" {
		return dir + name
	}
	return dir + "/" + name
}

// openBeneath opens a clean path below a directory. The kernel itself sees to it that no link leads out or aside.
func openBeneath(dir *os.File, clean string, flags int, mode uint32) (*os.File, error) {
	at := clean
	if at == "" {
		at = "."
	}
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for try := 0; ; try++ {
		fd, err := again(func() (int, error) { return unix.Openat2(int(dir.Fd()), at, &how) })
		runtime.KeepAlive(dir)
		if err == unix.EAGAIN && try < 32 { // a rename went on meanwhile; man openat2
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), clean), nil
	}
}

// openDirBeneath opens a directory, and says which element is to blame when that fails.
func openDirBeneath(op string, dir *os.File, clean, shown string) (*os.File, error) {
	f, err := openBeneath(dir, clean, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == nil {
		return f, nil
	}
	elements := strings.Split(clean, "/")
	for i := range elements {
		part := strings.Join(elements[:i+1], "/")
		st, statErr := lstatAt(dir, part)
		switch {
		case statErr == unix.ENOENT && err == unix.ENOENT:
			return nil, &Error{Op: op, Subject: quote(shown), Kind: ErrNotFound, Fact: "there is no " + quote(part), Err: err}
		case statErr != nil:
			return nil, fail(op, quote(shown), err)
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			return nil, &Error{Op: op, Subject: quote(shown), Kind: ErrSymlink, Fact: quote(part) + " is a symbolic link, and none is followed", Err: unix.ELOOP}
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return nil, &Error{Op: op, Subject: quote(shown), Kind: ErrInvalid, Fact: quote(part) + " is not a directory", Err: err}
		}
	}
	return nil, fail(op, quote(shown), err)
}

// lstatAt does not follow a link at the end of clean; the directories before it are the caller's to have checked.
func lstatAt(dir *os.File, clean string) (unix.Stat_t, error) {
	var st unix.Stat_t
	_, err := again(func() (struct{}, error) {
		return struct{}{}, unix.Fstatat(int(dir.Fd()), clean, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	runtime.KeepAlive(dir)
	return st, err
}
