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
	found, err := f.uuidOf(id)
	if err != nil {
		return fail(op, quoteID(id), err)
	}
	if found != uuid {
		return refuse(op, quoteID(id), ErrChanged, "it has UUID %v, not %v", found, uuid)
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
	subject := quoteID(id)
	if s, lookup := f.root(id); lookup == nil {
		subject += " (" + quote(s.Path) + ")"
	}
	return fail(op, subject, err)
}

// uuidOf returns the UUID of a live subvolume, by one request. Errors are bare.
func (f *Filesystem) uuidOf(id uint64) (UUID, error) {
	k := keyRange(treeRoot, id, keyRootItem, keyRootItem)
	k.nrItems = 1
	var root rootItem
	found := false
	err := search(f.top, k, bufferOne, func(it item) error {
		if root, found = decodeRootItem(it.data); !found {
			return errTruncated
		}
		return nil
	})
	switch {
	case err != nil:
		return UUID{}, err
	case !found || root.refs == 0:
		return UUID{}, unix.ENOENT
	}
	return root.uuid, nil
}
