package kernel

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// What an error of this package may be, for errors.Is. Errors that are none of these (no space, an I/O error, a quota
// limit …) answer for their errno only, as unix.ENOSPC.
var (
	// ErrNotBtrfs: the thing is there and is not a btrfs filesystem.
	ErrNotBtrfs = errors.New("not a btrfs filesystem")
	// ErrNotPermitted: the process lacks a right; nearly everything here needs CAP_SYS_ADMIN.
	ErrNotPermitted = errors.New("not permitted")
	// ErrNotFound: there is no such filesystem, subvolume, directory or file. A deleted subvolume that the cleaner still
	// works on is not found either.
	ErrNotFound = errors.New("not found")
	// ErrNotMounted: the block device holds a btrfs that is not mounted. It is also ErrNotFound.
	ErrNotMounted = fmt.Errorf("not mounted: %w", ErrNotFound)
	// ErrAmbiguous: more than one filesystem answers to the description.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrReadOnly: the filesystem, the subvolume or the one it lies in is read-only.
	ErrReadOnly = errors.New("read-only")
	// ErrExists: the name is taken.
	ErrExists = errors.New("already exists")
	// ErrChanged: the thing at that place is not the one that was asked for. Nothing was done.
	ErrChanged = errors.New("changed meanwhile")
	// ErrBusy: somebody else holds the lock.
	ErrBusy = errors.New("busy")
	// ErrInUse: the kernel refuses because of a use: default subvolume, send, active swap file.
	ErrInUse = errors.New("in use")
	// ErrNotEmpty: the subvolume contains subvolumes, or the directory contains something.
	ErrNotEmpty = errors.New("not empty")
	// ErrSymlink: a symbolic link is in a path inside the filesystem; none is ever followed.
	ErrSymlink = errors.New("symbolic link")
	// ErrInvalid: an argument can not name anything: "..", a NUL, a name of 256 bytes, the zero UUID.
	ErrInvalid = errors.New("invalid")
	// ErrNotSubvolume: the path exists and is not the root of a subvolume.
	ErrNotSubvolume = errors.New("not a subvolume")
	// ErrIsSubvolume: the path is a subvolume where only a file or a plain directory may be.
	ErrIsSubvolume = errors.New("is a subvolume")
	// ErrOtherFilesystem: the path is on another filesystem than the open one.
	ErrOtherFilesystem = errors.New("on another filesystem")
	// ErrUnsupported: this kernel does not know the operation.
	ErrUnsupported = errors.New("not supported by this kernel")
	// ErrCancelled: somebody else has stopped a scrub or balance.
	ErrCancelled = errors.New("stopped")
	// ErrNotCleaned: the wait ended before the cleaner was through.
	ErrNotCleaned = errors.New("space not freed yet")
)

// Error is a failed operation.
type Error struct {
	Op      string // what could not be done, as "create subvolume"
	Subject string // on what, in the caller's words, quoted when it is a path; may be ""
	Fact    string // what is known of the reason beyond Kind and Err; may be ""
	Kind    error  // one of the sentinels, or nil
	Err     error  // the errno or another cause, or nil
}

// Error returns "cannot OP SUBJECT: FACT: CAUSE".
func (e *Error) Error() string {
	s := "cannot " + e.Op
	if e.Subject != "" {
		s += " " + e.Subject
	}
	if e.Fact != "" {
		s += ": " + e.Fact
	}
	switch {
	case e.Err != nil:
		s += ": " + e.Err.Error()
	case e.Kind != nil && e.Fact == "":
		s += ": " + e.Kind.Error()
	}
	return s
}

// Unwrap makes errors.Is find both the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var all []error
	if e.Kind != nil {
		all = append(all, e.Kind)
	}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}

// fail wraps the errno of an operation; an error that is an *Error already says enough and is returned as it is.
func fail(op, subject string, err error) error {
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	fact, kind := classify(err)
	return &Error{Op: op, Subject: subject, Fact: fact, Kind: kind, Err: err}
}

// refuse is an error that no kernel call stands behind.
func refuse(op, subject string, kind error, format string, args ...any) error {
	return &Error{Op: op, Subject: subject, Kind: kind, Fact: fmt.Sprintf(format, args...)}
}

// classify returns a sentinel, or nil, and a fact, or "".
func classify(err error) (fact string, kind error) {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return "", nil
	}
	switch errno {
	case unix.EPERM, unix.EACCES:
		return "CAP_SYS_ADMIN is needed", ErrNotPermitted
	case unix.ENOENT, unix.ESTALE:
		return "", ErrNotFound
	case unix.EROFS:
		return "the filesystem, the subvolume or the one around it is read-only", ErrReadOnly
	case unix.EEXIST:
		return "", ErrExists
	case unix.ENOTEMPTY:
		return "", ErrNotEmpty
	case unix.ELOOP:
		return "", ErrSymlink
	case unix.ENAMETOOLONG:
		return "", ErrInvalid
	case unix.EBUSY:
		return "", ErrInUse
	case unix.ETXTBSY:
		return "an active swap file is in it", ErrInUse
	case unix.ENOTTY, unix.ENOSYS, unix.EOPNOTSUPP:
		return "the kernel does not know this operation", ErrUnsupported
	case unix.EDQUOT:
		return "the limit of a quota group is reached", nil
	case unix.EXDEV:
		return "", ErrOtherFilesystem
	}
	return "", nil
}

func quote(path string) string { return strconv.Quote(path) }

func quoteID(id uint64) string { return "with ID " + strconv.FormatUint(id, 10) }
