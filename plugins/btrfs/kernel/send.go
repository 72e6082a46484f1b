package kernel

import (
	"os"

	"golang.org/x/sys/unix"
)

// SendSpec says what Send sends. Both are UUIDs of read-only subvolumes.
type SendSpec struct {
	Source UUID
	Parent UUID // zero: everything, not only what has changed since the parent

	// NoData leaves out the content of files: the stream tells where there is any and how long it is, which is quick.
	NoData bool
}

// Send writes the stream of a snapshot into a pipe, version 1, and returns when it has ended; the caller closes the pipe. The
// only way to stop it is to close the end that is read from: Send then returns EPIPE. While it goes on the kernel lets
// nobody delete the two snapshots or make them writable. ErrNotFound when one of them is gone, ErrInUse when one is
// writable.
func (f *Filesystem) Send(spec SendSpec, into *os.File) error {
	const op = "send the snapshot with UUID"
	subject := spec.Source.String()
	source, err := f.openSource(SnapshotSpec{SourceUUID: spec.Source})
	if err != nil {
		return err
	}
	defer source.Close()
	parent := uint64(0)
	if !spec.Parent.IsZero() {
		p, err := f.ByUUID(spec.Parent)
		if err != nil {
			return err
		}
		parent = p.ID
	}
	switch err := send(source, into, parent, spec.NoData); err {
	case nil:
		return nil
	case unix.EPERM: // not a missing capability: looking the UUID up needs the same one
		return &Error{Op: op, Subject: subject, Kind: ErrInUse, Fact: "it or its parent is not read-only, or is being changed to be so", Err: err}
	default:
		return fail(op, subject, err)
	}
}
