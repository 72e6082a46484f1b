package kernel

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Orphans returns the IDs of the subvolumes that are deleted and not yet freed by the cleaner, in ascending order. One
// in which a file is open, a process has its working directory, or a mount exists stays until those are gone.
func (f *Filesystem) Orphans() ([]uint64, error) {
	var ids []uint64
	// SUBVOL_SYNC_WAIT is no substitute: it misses the subvolume being freed right now, or answers a commit too late.
	err := search(f.top, keyRange(treeRoot, objectOrphan, keyOrphan, keyOrphan), bufferOne, func(it item) error {
		if it.offset >= firstFreeObject {
			ids = append(ids, it.offset)
		}
		return nil
	})
	if err != nil {
		return nil, fail("list the deleted subvolumes of filesystem", f.uuid.String(), err)
	}
	return ids, nil
}

// WaitCleaned waits until the cleaner has freed the given deleted subvolumes; with no ids it returns at once. The caller
// calls Sync before, otherwise the cleaner is not woken before the next periodic commit. It looks every poll (50 ms if
// poll is not positive), and gives report, unless nil, the number that is left, each time.
//
// When ctx ends first the error is ErrNotCleaned and that of ctx, and names the ids that are left. A subvolume that is
// not deleted at all is ErrInvalid.
func (f *Filesystem) WaitCleaned(ctx context.Context, ids []uint64, poll time.Duration, report func(left int)) error {
	const op = "wait for deleted subvolumes of filesystem"
	if poll <= 0 {
		poll = 50 * time.Millisecond
	}
	wanted := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		switch _, err := f.root(id); err {
		case unix.ENOENT:
			wanted[id] = true
		case nil:
			return refuse(op, f.uuid.String(), ErrInvalid, "the subvolume %s is not deleted", quoteID(id))
		default:
			return fail(op, f.uuid.String(), err)
		}
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for len(wanted) > 0 {
		orphans, err := f.Orphans()
		if err != nil {
			return err
		}
		var left []uint64
		for _, id := range orphans {
			if wanted[id] {
				left = append(left, id)
			}
		}
		if report != nil {
			report(len(left))
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			fact := fmt.Sprintf("%d of %d are not freed yet (ID %v); one that is mounted or has an open file stays until that ends", len(left), len(wanted), left)
			return &Error{Op: op, Subject: f.uuid.String(), Kind: ErrNotCleaned, Fact: fact, Err: ctx.Err()}
		case <-ticker.C:
		}
	}
	return nil
}
