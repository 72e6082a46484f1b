package kernel

import (
	"golang.org/x/sys/unix"
)

// DeleteByUUID deletes a subvolume by its ID, after making sure that it still has the UUID that the caller decided upon:
// IDs are reused. A live subvolume with another UUID is ErrChanged, none (or one that is deleted already) ErrNotFound,
// one that contains subvolumes ErrNotEmpty, one inside a read-only subvolume ErrReadOnly, one that is the default, being
// sent, or holds an active swap file ErrInUse; nothing happened in all those cases.
//
// The kernel deletes a mounted subvolume without a word: ask MountedSubvolumes before. The caller holds the lock
// (LockNames), so that nobody gives the ID to another subvolume in between.
//
// It does not commit: the deletion is durable, and its space comes back, only after a Sync, one for any number. Kernel
// 5.7 (ErrUnsupported).
func (f *Filesystem) DeleteByUUID(id uint64, uuid UUID) error {
	const op = "delete the subvolume"
	switch {
	case uuid.IsZero():
		return refuse(op, quoteID(id), ErrInvalid, "the zero UUID identifies none")
	case id < firstFreeObject || id > lastFreeObject:
		return refuse(op, quoteID(id), ErrInvalid, "a subvolume that can be deleted has an ID from %d", firstFreeObject)
	}
	s, err := f.root(id)
	if err != nil {
		return fail(op, quoteID(id), err)
	}
	if s.UUID != uuid {
		return refuse(op, quoteID(id), ErrChanged, "it has UUID %v, not %v", s.UUID, uuid)
	}
	err = destroyByID(f.top, id)
	switch err {
	case nil:
		return nil
	case unix.ENOTEMPTY:
		return &Error{Op: op, Subject: quoteID(id), Kind: ErrNotEmpty, Fact: "it contains other subvolumes", Err: err}
	case unix.EPERM: // not a missing capability: the lookup above needs the same one
		return &Error{Op: op, Subject: quoteID(id), Kind: ErrInUse, Fact: "it is the default subvolume, is being sent, or holds an active swap file", Err: err}
	}
	return fail(op, quoteID(id)+" ("+quote(s.Path)+")", err)
}
