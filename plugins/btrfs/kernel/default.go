package kernel

import "unsafe"

// SetDefault makes a subvolume the one that is mounted when none is asked for; TopLevelID is allowed. A live subvolume with
// another UUID is ErrChanged, as in DeleteByUUID; id of the top level stands for itself. It is lost in a power cut unless a
// commit follows (Sync).
func (f *Filesystem) SetDefault(id uint64, uuid UUID) error {
	const op = "set the default to the subvolume"
	if id != TopLevelID {
		s, err := f.root(id)
		if err != nil {
			return fail(op, quoteID(id), err)
		}
		if s.UUID != uuid {
			return refuse(op, quoteID(id), ErrChanged, "it has UUID %v, not %v", s.UUID, uuid)
		}
	}
	arg := id
	if err := ioctlAgain(f.top, iocDefaultSubvol, unsafe.Pointer(&arg)); err != nil {
		return fail(op, quoteID(id), err)
	}
	return nil
}
