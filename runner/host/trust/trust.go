// Package trust opens files only if nobody but their owners can change them, or put other files in their place.
//
// What a privileged process executes or obeys must not be writable by others. A file is trusted when it, every folder
// above it, and every symbolic link on the way belong to one of the owners, and nobody else can write there. A folder
// that all can write to but where only the owner of a file can replace it (the sticky bit, as on /tmp and /nix/store)
// passes. Access control lists are seen through the group's bits, which are their upper bound.
//
// The check is of the moment: an owner can still change the file afterwards, and nobody else.
package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Error says why a file is not trusted.
type Error struct {
	File   string // as it was given
	Place  string // the file, folder or link that is the reason
	Reason string // "belongs to uid 1000", "is writable by everybody (mode 0666)"
}

func (e *Error) Error() string {
	if e.Place == e.File {
		return fmt.Sprintf("%s is not trusted: it %s", e.File, e.Reason)
	}
	return fmt.Sprintf("%s is not trusted: %s %s", e.File, e.Place, e.Reason)
}

// Open opens a regular file for reading after it was checked. Owners are user ids; the superuser's, 0, always counts as one. The
// error is an *Error if the file is not trusted, or what the system says.
func Open(file string, owners ...int) (*os.File, error) {
	owners = append(slices.Clone(owners), 0)
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	real, err := follow(file, absolute, owners)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &Error{file, file, "is not a regular file"}
	}
	if err == nil {
		err = place(file, file, info, owners)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// maxLinks is how many symbolic links a way may have, as in path_resolution(7).
const maxLinks = 40

// follow walks to a file, checks every folder and link on the way, and returns the path without links. The root folder is
// whoever's it is: no file is safe from him.
func follow(file, absolute string, owners []int) (string, error) {
	left := strings.Split(absolute, "/")
	at := "/"
	links := 0
	for len(left) > 0 {
		part := left[0]
		left = left[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." { // of a way without links, since they are followed as they come
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, part)
		info, err := os.Lstat(next)
		var failure *fs.PathError
		if errors.As(err, &failure) {
			return "", &fs.PathError{Op: "open", Path: file, Err: failure.Err}
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if info.IsDir() {
				if err := place(file, next, info, owners); err != nil {
					return "", err
				}
			}
			at = next
			continue
		}
		if err := place(file, next, info, owners); err != nil {
			return "", err
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: file, Err: syscall.ELOOP}
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return at, nil
}

// place checks one file, folder or link.
func place(file, at string, info fs.FileInfo, owners []int) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &Error{file, at, "has no owner that could be told"}
	}
	if !slices.Contains(owners, int(stat.Uid)) {
		return &Error{file, at, fmt.Sprintf("belongs to uid %d", stat.Uid)}
	}
	if info.Mode()&fs.ModeSymlink != 0 { // its own mode means nothing
		return nil
	}
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	mode := info.Mode().Perm()
	switch {
	case sticky:
	case mode&0o002 != 0:
		return &Error{file, at, fmt.Sprintf("is writable by everybody (mode %04o)", mode)}
	// A group of the number of an owner is that owner's own group, as adduser(8) makes it.
	case mode&0o020 != 0 && !slices.Contains(owners, int(stat.Gid)):
		return &Error{file, at, fmt.Sprintf("is writable by the group %d (mode %04o)", stat.Gid, mode)}
	}
	return nil
}
