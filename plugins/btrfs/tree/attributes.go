package tree

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Flags of inodes, linux/fs.h, FS_*_FL. Whether a file is copied on write must be set before it has any data.
const (
	flagCompress   = 0x4
	flagImmutable  = 0x10
	flagAppend     = 0x20
	flagNoDump     = 0x40
	flagNoCompress = 0x400
	flagNoCOW      = 0x800000

	flagsCopied = flagCompress | flagNoDump | flagNoCompress | flagNoCOW
	flagsLeft   = flagImmutable | flagAppend
)

// flags gives an empty copy the flags of the original, instead of those that it has from its folder.
func (c *Copier) flags(p place, from, to *os.File) error {
	want, err := unix.IoctlGetUint32(int(from.Fd()), unix.FS_IOC_GETFLAGS)
	runtime.KeepAlive(from)
	if err != nil {
		return nil // a filesystem without
	}
	if want&flagsLeft != 0 {
		c.Warn("%q is immutable or append-only; its copy is not", p.shown())
	}
	have, err := unix.IoctlGetUint32(int(to.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil || have&flagsCopied == want&flagsCopied {
		return nil
	}
	err = unix.IoctlSetPointerInt(int(to.Fd()), unix.FS_IOC_SETFLAGS, int(have&^flagsCopied|want&flagsCopied))
	runtime.KeepAlive(to)
	if err != nil && !c.MayCopy {
		return fmt.Errorf("cannot set its flags: %w", err)
	}
	return nil
}

// attributes gives a copy the owner, permissions, extended attributes, ACLs and times of the original, in this order: a
// change of owner takes the set-id bits and capabilities away.
func (c *Copier) attributes(p place, n Node) error {
	to := int(p.to.Fd())
	defer runtime.KeepAlive(p.to)
	if err := unix.Fchownat(to, p.as, int(n.UID), int(n.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot set its owner: %w", err)
	}
	if n.Kind != Link {
		// Not a link, and nobody else can write to the folder that it is in.
		if err := unix.Fchmodat(to, p.as, n.Mode, 0); err != nil {
			return fmt.Errorf("cannot set its permissions: %w", err)
		}
	}
	if err := c.extended(p); err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(to, p.as, []unix.Timespec{n.accessed, n.modified}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot set its times: %w", err)
	}
	return nil
}

// extended makes the extended attributes, ACLs among them, those of the original.
func (c *Copier) extended(p place) error {
	from, to := through(p.from, p.name), through(p.to, p.as)
	want, err := extendedNames(from)
	if err != nil {
		return fmt.Errorf("cannot list its extended attributes: %w", err)
	}
	have, err := extendedNames(to)
	if err != nil {
		return fmt.Errorf("cannot list its extended attributes: %w", err)
	}
	for _, name := range have {
		if !slices.Contains(want, name) && strings.HasPrefix(name, "system.posix_acl_") { // from the folder's default ACL
			if err := unix.Lremovexattr(to, name); err != nil && err != unix.ENODATA {
				return fmt.Errorf("cannot remove its %s: %w", name, err)
			}
		}
	}
	for _, name := range want {
		value, err := extendedValue(from, name)
		if err == unix.ENODATA {
			continue
		}
		if err == nil {
			err = unix.Lsetxattr(to, name, value, 0)
		}
		if err == unix.EOPNOTSUPP && c.MayCopy { // a filesystem without
			c.Warn("the extended attribute %s of %q could not be set", name, p.shown())
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot set its extended attribute %s: %w", name, err)
		}
	}
	return nil
}

// through is a path to a name in an open directory that no rename of any directory leads astray.
func through(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

func extendedNames(path string) ([]string, error) {
	data, err := grown(func(b []byte) (int, error) { return unix.Llistxattr(path, b) })
	if err == unix.EOPNOTSUPP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == 0 }), nil
}

func extendedValue(path, name string) ([]byte, error) {
	return grown(func(b []byte) (int, error) { return unix.Lgetxattr(path, name, b) })
}

// grown calls with buffers that are larger each time, until the answer fits.
func grown(call func([]byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 4 {
		buffer := make([]byte, size)
		n, err := call(buffer)
		switch {
		case err == nil:
			return buffer[:n], nil
		case err != unix.ERANGE || size > 1<<20:
			return nil, err
		}
	}
}
