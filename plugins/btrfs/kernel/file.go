package kernel

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxFileSize is the most that ReadFile reads, in bytes.
const MaxFileSize = 16 << 20

// TempPrefix begins the names of files that a crash in the middle of WriteFileAtomic or SnapshotTogether may leave.
// They can be removed by whoever holds the lock.
const TempPrefix = ".coppice-tmp-"

// MkdirAll makes the plain directories that are missing on the way to path, with exactly the mode given, and returns
// the paths of those it made, outermost first, also beside an error. Existing directories and subvolumes on the way are
// left as they are. Sync makes it durable.
func (f *Filesystem) MkdirAll(path string, mode uint32) (created []string, err error) {
	return f.topDir().MkdirAll(path, mode)
}

// MkdirAll is as that of Filesystem, below d; the paths it returns start at the top level.
func (d *Dir) MkdirAll(path string, mode uint32) (created []string, err error) {
	const op = "make directory"
	clean, err := cleanPath(op, path)
	if err != nil || clean == "" {
		return nil, err
	}
	elements := strings.Split(clean, "/")
	for i := range elements {
		part := strings.Join(elements[:i+1], "/")
		shown := joinPath(d.path, part)
		at, err := openBeneath(d.file, part, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err == nil {
			at.Close()
			continue
		}
		if err != unix.ENOENT {
			_, err = openDirBeneath(op, d.file, part, shown)
			return created, err
		}
		if err := d.mkdir(part, mode); err != nil {
			return created, fail(op, quote(shown), err)
		}
		created = append(created, shown)
	}
	return created, nil
}

// mkdir makes one directory in a parent that exists. Errors are bare.
func (d *Dir) mkdir(clean string, mode uint32) error {
	parent, name := splitPath(clean)
	at, err := openBeneath(d.file, parent, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer at.Close()
	err = unix.Mkdirat(int(at.Fd()), name, 0o700)
	runtime.KeepAlive(at)
	if err != nil {
		return err
	}
	made, err := openBeneath(at, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer made.Close()
	err = unix.Fchmod(int(made.Fd()), mode) // the umask has no say
	runtime.KeepAlive(made)
	return err
}

// Exists reports whether there is anything at path, a symbolic link at its end included. A missing directory on the
// way, or a file in the place of one, means no; a link on the way is ErrSymlink.
func (f *Filesystem) Exists(path string) (bool, error) { return f.topDir().Exists(path) }

// Exists is as that of Filesystem, below d. That there is nothing is found out by one system call.
func (d *Dir) Exists(path string) (bool, error) {
	clean, err := cleanPath("look at", path)
	if err != nil {
		return false, err
	}
	at, err := openBeneath(d.file, clean, unix.O_PATH|unix.O_NOFOLLOW, 0)
	switch {
	case err == unix.ENOENT:
		return false, nil
	case err == nil:
		at.Close()
	}
	_, found, err := d.Stat(path)
	return found, err
}

// Stat returns what is at path, as Exists does.
func (f *Filesystem) Stat(path string) (t EntryType, found bool, err error) {
	return f.topDir().Stat(path)
}

// Stat is as that of Filesystem, below d.
func (d *Dir) Stat(path string) (t EntryType, found bool, err error) {
	const op = "look at"
	parent, name, err := d.parent(op, path)
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	defer parent.Close()
	st, err := lstatAt(parent, name)
	switch {
	case err == unix.ENOENT:
		return 0, false, nil
	case err != nil:
		return 0, false, fail(op, quote(joinPath(d.path, path)), err)
	}
	return statType(st), true, nil
}

// parent opens the directory that the last element of path is in. For d itself the element is ".".
func (d *Dir) parent(op, path string) (parent *os.File, name string, err error) {
	clean, err := cleanPath(op, path)
	if err != nil {
		return nil, "", err
	}
	dir, name := splitPath(clean)
	if name == "" {
		name = "."
	}
	parent, err = openDirBeneath(op, d.file, dir, joinPath(d.path, clean))
	return parent, name, err
}

// ReadFile returns the content of a regular file of at most MaxFileSize bytes.
func (f *Filesystem) ReadFile(path string) ([]byte, error) { return f.topDir().ReadFile(path) }

// ReadFile is as that of Filesystem, below d.
func (d *Dir) ReadFile(path string) ([]byte, error) {
	const op = "read file"
	parent, name, err := d.parent(op, path)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	shown := quote(joinPath(d.path, path))
	file, err := openBeneath(parent, name, unix.O_RDONLY|unix.O_NONBLOCK, 0) // non-blocking, lest a pipe hangs it
	if err != nil {
		return nil, fail(op, shown, err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, fail(op, shown, err)
	}
	if !st.Mode().IsRegular() {
		return nil, refuse(op, shown, ErrInvalid, "it is not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxFileSize+1))
	switch {
	case err != nil:
		return nil, fail(op, shown, err)
	case len(data) > MaxFileSize:
		return nil, refuse(op, shown, ErrInvalid, "it has more than %d bytes", MaxFileSize)
	}
	return data, nil
}

// WriteFileAtomic replaces or makes a file, with exactly the mode given. Whoever reads it, and whatever a power cut
// leaves, is the old content or the new. It is on disk when WriteFileAtomic returns nil. The directory must exist.
func (f *Filesystem) WriteFileAtomic(path string, data []byte, mode uint32) error {
	return f.topDir().WriteFileAtomic(path, data, mode)
}

// WriteFileAtomic is as that of Filesystem, below d.
func (d *Dir) WriteFileAtomic(path string, data []byte, mode uint32) error {
	return d.writeFile(path, data, mode, (*os.File).Sync)
}

// WriteFileSoon is WriteFileAtomic for what may come to disk later, but not after the next commit: that of a snapshot, of Sync, or the
// periodic one. Until then a power cut leaves the old content.
func (f *Filesystem) WriteFileSoon(path string, data []byte, mode uint32) error {
	return f.topDir().writeFile(path, data, mode, func(*os.File) error { return nil })
}

// writeFile writes the content to disk, and then gives it the name. settle sees to it that the name comes to disk.
func (d *Dir) writeFile(path string, data []byte, mode uint32, settle func(parent *os.File) error) error {
	const op = "write file"
	parent, name, err := d.parent(op, path)
	if err != nil {
		return err
	}
	defer parent.Close()
	shown := quote(joinPath(d.path, path))
	if err := checkName(op, name); err != nil {
		return err
	}
	temp := TempPrefix + rand.Text()
	file, err := openBeneath(parent, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return fail(op, shown, err)
	}
	err = func() error {
		defer file.Close()
		if _, err := file.Write(data); err != nil {
			return err
		}
		if err := unix.Fchmod(int(file.Fd()), mode); err != nil {
			return err
		}
		return file.Sync()
	}()
	if err == nil {
		err = unix.Renameat(int(parent.Fd()), temp, int(parent.Fd()), name)
	}
	if err != nil {
		return fail(op, shown, errors.Join(err, unlinkAt(parent, temp, 0)))
	}
	if err := settle(parent); err != nil {
		return fail(op, shown, err)
	}
	return nil
}

// WriteFile makes a file that is not there yet, with exactly the mode given. It is on disk after Sync.
func (f *Filesystem) WriteFile(path string, data []byte, mode uint32) error {
	const op = "write file"
	parent, name, err := f.topDir().parent(op, path)
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := checkName(op, name); err != nil {
		return err
	}
	file, err := openBeneath(parent, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return fail(op, quote(path), err)
	}
	_, err = file.Write(data)
	if err == nil {
		err = unix.Fchmod(int(file.Fd()), mode)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fail(op, quote(path), err)
	}
	return nil
}

// Remove removes one file, link or empty plain directory. A subvolume is never removed by it (ErrIsSubvolume), although
// the kernel would remove an empty one like a directory. ErrNotFound if there is nothing.
func (f *Filesystem) Remove(path string) error { return f.topDir().Remove(path) }

// Remove is as that of Filesystem, below d.
func (d *Dir) Remove(path string) error {
	const op = "remove"
	parent, name, err := d.parent(op, path)
	if err != nil {
		return err
	}
	defer parent.Close()
	shown := quote(joinPath(d.path, path))
	if err := checkName(op, name); err != nil {
		return err
	}
	st, err := lstatAt(parent, name)
	if err != nil {
		return fail(op, shown, err)
	}
	flags := 0
	switch statType(st) {
	case EntrySubvolume:
		return refuse(op, shown, ErrIsSubvolume, "it is a subvolume")
	case EntryDir, EntryStub:
		flags = unix.AT_REMOVEDIR
	}
	if err := unlinkAt(parent, name, flags); err != nil {
		return fail(op, shown, err)
	}
	return nil
}

func unlinkAt(dir *os.File, name string, flags int) error {
	err := unix.Unlinkat(int(dir.Fd()), name, flags)
	runtime.KeepAlive(dir)
	return err
}
