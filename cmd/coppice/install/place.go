package install

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read to be compared: nothing that is installed comes near.
const maxFile = 4 << 20

// openat opens a path below the target as if that were the root: links that are absolute, or lead up, stay inside. man openat2
func (t *Target) openat(name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Openat2(int(t.root.Fd()), strings.TrimPrefix(name, "/"),
			&unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
		switch {
		case err == unix.EINTR || err == unix.EAGAIN: // a rename raced with it
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: t.shown(name), Err: err}
		default:
			return os.NewFile(uintptr(fd), t.shown(name)), nil
		}
	}
}

// shown is a path on the machine as it is to be found here.
func (t *Target) shown(name string) string { return path.Join(t.dir, name) }

// folder opens a folder.
func (t *Target) folder(name string) (*os.File, error) {
	if name == "/" {
		name = "/."
	}
	return t.openat(name, unix.O_RDONLY|unix.O_DIRECTORY)
}

// makeFolder opens a folder, and makes it and those above it where they are not there; made are the new ones, outermost first.
func (t *Target) makeFolder(name string) (dir *os.File, made []string, err error) {
	if dir, err = t.folder(name); !errors.Is(err, fs.ErrNotExist) || name == "/" {
		return dir, nil, err
	}
	above, made, err := t.makeFolder(path.Dir(name))
	if err != nil {
		return nil, made, err
	}
	defer above.Close()
	if err := unix.Mkdirat(int(above.Fd()), path.Base(name), 0o755); err != nil {
		return nil, made, &fs.PathError{Op: "mkdir", Path: t.shown(name), Err: err}
	}
	made = append(made, name)
	dir, err = t.folder(name)
	if err != nil {
		return nil, made, err
	}
	if err := errors.Join(dir.Chmod(0o755), above.Sync()); err != nil { // whatever the umask
		dir.Close()
		return nil, made, err
	}
	return dir, made, nil
}

// read is what is at a path; nil: nothing. What is neither a file nor a link has no content.
func (t *Target) read(name string) (*File, error) {
	dir, err := t.folder(path.Dir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fail := func(err error) (*File, error) {
		return nil, &fs.PathError{Op: "read", Path: t.shown(name), Err: err}
	}
	base := path.Base(name)
	var st unix.Stat_t
	switch err := unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.ENOENT:
		return nil, nil
	case err != nil:
		return fail(err)
	}
	found := &File{Path: name, Mode: fs.FileMode(st.Mode & 0o777)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(int(dir.Fd()), base, buf)
		if err != nil {
			return fail(err)
		}
		*found = Link(name, string(buf[:n]))
		return found, nil
	case unix.S_IFREG:
	case unix.S_IFDIR:
		found.Mode |= fs.ModeDir
		return found, nil
	default:
		found.Mode |= fs.ModeIrregular
		return found, nil
	}
	fd, err := unix.Openat(int(dir.Fd()), base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(uintptr(fd), t.shown(name))
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return fail(errors.New("it is too large to be a file of coppice's"))
	}
	found.Content = string(data)
	return found, nil
}

// write puts a file in its place at once: whenever the machine stops there is the old one or the new one, complete. made are
// the folders that had to be made.
func (t *Target) write(f File) (made []string, err error) {
	dir, made, err := t.makeFolder(path.Dir(f.Path))
	if err != nil {
		return made, err
	}
	defer dir.Close()
	base := path.Base(f.Path)
	// Always the same name: what a crash has left goes with the next attempt. Units that begin with a dot are none.
	temporary := "." + base + ".coppice"
	at := int(dir.Fd())
	if err := unix.Unlinkat(at, temporary, 0); err != nil && err != unix.ENOENT {
		return made, &fs.PathError{Op: "remove", Path: t.shown(path.Join(path.Dir(f.Path), temporary)), Err: err}
	}
	if f.IsLink() {
		err = unix.Symlinkat(f.Content, at, temporary)
	} else {
		err = writeAt(at, temporary, f)
	}
	if err == nil {
		err = unix.Renameat(at, temporary, at, base)
	}
	if err != nil {
		_ = unix.Unlinkat(at, temporary, 0)
		return made, &fs.PathError{Op: "write", Path: t.shown(f.Path), Err: err}
	}
	return made, dir.Sync()
}

func writeAt(dir int, name string, f File) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), name)
	_, err = out.WriteString(f.Content)
	if err == nil {
		err = errors.Join(out.Chmod(f.Mode.Perm()), out.Sync())
	}
	return errors.Join(err, out.Close())
}

// remove takes a file away. One that is not there is gone already.
func (t *Target) remove(name string) error {
	dir, err := t.folder(path.Dir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Unlinkat(int(dir.Fd()), path.Base(name), 0); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "remove", Path: t.shown(name), Err: err}
	}
	return dir.Sync()
}

// removeFolder takes a folder away if nothing is in it.
func (t *Target) removeFolder(name string) (gone bool) {
	dir, err := t.folder(path.Dir(name))
	if err != nil {
		return false
	}
	defer dir.Close()
	return unix.Unlinkat(int(dir.Fd()), path.Base(name), unix.AT_REMOVEDIR) == nil
}

func digest(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }
