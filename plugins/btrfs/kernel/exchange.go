package kernel

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// Place is a subvolume that is expected at a path.
type Place struct {
	Path string
	UUID UUID
}

// Exchange gives each of two subvolumes the name of the other, at once: whatever happens, each path leads to one of them.
// Mounts follow their subvolume. It makes sure before that each is where it is expected (ErrChanged). A read-only one can
// only be exchanged with another in its own folder (ErrReadOnly). The caller holds the lock (LockNames).
//
// It does not commit: the exchange is durable after a Sync.
func (f *Filesystem) Exchange(a, b Place) error {
	const op = "exchange"
	subject := quote(a.Path) + " and " + quote(b.Path)
	for _, p := range []Place{a, b} {
		if p.UUID.IsZero() {
			return refuse(op, subject, ErrInvalid, "the zero UUID identifies none")
		}
		at, err := f.openSubvolume(op, p.Path, 0, p.UUID)
		if err != nil {
			return err
		}
		at.Close()
	}
	dirA, nameA, err := f.topDir().parent(op, a.Path)
	if err != nil {
		return err
	}
	defer dirA.Close()
	dirB, nameB, err := f.topDir().parent(op, b.Path)
	if err != nil {
		return err
	}
	defer dirB.Close()
	for _, name := range []string{nameA, nameB} {
		if err := checkName(op, name); err != nil {
			return err
		}
	}
	err = unix.Renameat2(int(dirA.Fd()), nameA, int(dirB.Fd()), nameB, unix.RENAME_EXCHANGE)
	runtime.KeepAlive(dirA)
	runtime.KeepAlive(dirB)
	switch {
	case errors.Is(err, unix.EINVAL):
		return &Error{Op: op, Subject: subject, Kind: ErrInvalid, Fact: "one of them lies in the other", Err: err}
	case err != nil:
		return fail(op, subject, err)
	}
	return nil
}
