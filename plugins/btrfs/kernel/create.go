package kernel

import (
	"errors"
	"os"
)

// CreateSubvolume makes an empty, writable subvolume. The directory it goes into must exist. ErrExists if the name is
// taken, ErrReadOnly, and errors.Is(err, unix.ENOSPC) if the filesystem is full. It is lost in a power cut unless a
// commit follows (Sync).
func (f *Filesystem) CreateSubvolume(path string) (Subvolume, error) {
	const op = "create subvolume"
	clean, err := cleanPath(op, path)
	if err != nil {
		return Subvolume{}, err
	}
	parent, name := splitPath(clean)
	if err := checkName(op, name); err != nil {
		return Subvolume{}, err
	}
	dir, err := openDirBeneath(op, f.top, parent, path)
	if err != nil {
		return Subvolume{}, err
	}
	defer dir.Close()
	if err := createSubvolume(dir, name); err != nil {
		return Subvolume{}, fail(op, quote(path), err)
	}
	return f.made(op, dir, clean)
}

// made reads the subvolume that was just made in dir. After an error the Subvolume has only a Path.
func (f *Filesystem) made(op string, dir *os.File, clean string) (Subvolume, error) {
	_, name := splitPath(clean)
	at, err := openDirBeneath(op, dir, name, clean)
	if err != nil {
		return Subvolume{Path: clean}, errors.Join(refuse(op, quote(clean), ErrChanged, "it was made, but can't be opened"), err)
	}
	defer at.Close()
	s, err := infoOf(at)
	s.Path = clean
	if err != nil {
		return s, fail(op, quote(clean), err)
	}
	return s, nil
}
