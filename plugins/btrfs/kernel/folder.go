package kernel

import (
	"errors"
	"os"
)

// FolderAt returns the path from the top level of a directory of the running system. Symbolic links are followed, as for
// every other program. ErrOtherFilesystem if it is on another filesystem than f, ErrNotBtrfs if on none at all,
// ErrInvalid if it is no directory.
func (f *Filesystem) FolderAt(path string) (string, error) {
	const op = "find the folder"
	at, err := openLive(path)
	var block blockDevice
	switch {
	case errors.As(err, &block):
		return "", refuse(op, quote(path), ErrInvalid, "it is a block device")
	case err != nil:
		return "", fail(op, quote(path), err)
	}
	defer at.Close()
	return f.whereIs(op, path, at)
}

// WhereIs tells where an open directory of the running system lies on this filesystem: its path from the top level.
// ErrOtherFilesystem, or ErrNotBtrfs, if it does not.
func (f *Filesystem) WhereIs(dir *os.File) (string, error) {
	return f.whereIs("find the place of", dir.Name(), dir)
}

func (f *Filesystem) whereIs(op, path string, dir *os.File) (string, error) {
	if err := mustBeBtrfs(op, path, dir); err != nil {
		return "", err
	}
	info, err := fsInfo(dir)
	if err != nil {
		return "", fail(op, quote(path), err)
	}
	if UUID(info.fsid) != f.uuid {
		return "", refuse(op, quote(path), ErrOtherFilesystem, "it is on filesystem %v, not on %v", UUID(info.fsid), f.uuid)
	}
	id, err := treeOf(dir)
	if err != nil {
		return "", fail(op, quote(path), err)
	}
	st, err := dir.Stat()
	if err != nil {
		return "", fail(op, quote(path), err)
	}
	if !st.IsDir() {
		return "", refuse(op, quote(path), ErrInvalid, "it is not a directory")
	}
	around := ""
	if id != TopLevelID {
		s, err := f.Info(id)
		if err != nil {
			return "", err
		}
		around = s.Path
	}
	inner, err := f.dirPath(id, inodeOf(st))
	if err != nil {
		return "", fail(op, quote(path), err)
	}
	return joinPath(around, inner), nil
}
