package kernel

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// Rename moves a subvolume to another path of the filesystem, after making sure that it has the UUID that the caller decided
// upon. Mounts of it follow. What exists is never replaced (ErrExists). ErrReadOnly if it, or one that it goes into or out of,
// is read-only: a read-only one can only get another name in the same directory. ErrInvalid for a place inside itself.
//
// The caller holds the lock (LockNames), so that nothing else takes its place in between. The move is on disk when Rename
// returns nil.
func (f *Filesystem) Rename(from string, id UUID, to string) error {
	const op = "rename the subvolume"
	if id.IsZero() {
		return refuse(op, quote(from), ErrInvalid, "the zero UUID identifies none")
	}
	source, err := f.openSubvolume(op, from, 0, id)
	if err != nil {
		return err
	}
	defer source.Close()
	clean, err := cleanPath(op, to)
	if err != nil {
		return err
	}
	toDir, toName := splitPath(clean)
	if err := checkName(op, toName); err != nil {
		return err
	}
	clean, err = cleanPath(op, from)
	if err != nil {
		return err
	}
	fromDir, fromName := splitPath(clean)
	old, err := openDirBeneath(op, f.top, fromDir, from)
	if err != nil {
		return err
	}
	defer old.Close()
	place, err := openDirBeneath(op, f.top, toDir, to)
	if err != nil {
		return err
	}
	defer place.Close()
	subject := quote(from) + " to " + quote(to)
	err = unix.Renameat2(int(old.Fd()), fromName, int(place.Fd()), toName, unix.RENAME_NOREPLACE)
	runtime.KeepAlive(old)
	runtime.KeepAlive(place)
	switch err {
	case nil:
	case unix.EINVAL:
		return &Error{Op: op, Subject: subject, Kind: ErrInvalid, Fact: "the new place is inside of it", Err: err}
	default:
		return fail(op, subject, err)
	}
	if err := errors.Join(unix.Fsync(int(place.Fd())), unix.Fsync(int(old.Fd()))); err != nil {
		return &Error{Op: op, Subject: subject, Fact: "it is renamed, but may have its old name again after a power cut", Err: err}
	}
	return nil
}
