package volume

import (
	"context"
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

// The lock on the names of a filesystem excludes whoever else creates, deletes or renames subvolumes.
const namesPart = ":names"

// NamesKey is the key of that lock.
func NamesKey(id kernel.UUID) string { return keyPrefix + id.String() + namesPart }

// NameLocks is the Locks hook of every action that changes names.
func NameLocks(ctx context.Context, t Target) ([]sdk.Lock, error) {
	return locksOf(ctx, t, NamesKey, "names")
}

// LockNames takes that lock, unless this process has it for the whole run.
func LockNames(ctx context.Context, h Host, f *kernel.Filesystem) (unlock func(), err error) {
	return waitFor(ctx, h, NamesKey(f.UUID()), f.LockNames, &sdk.Error{
		Reason:  sdk.Busy,
		Summary: fmt.Sprintf("the names of btrfs %v are locked by another process since %v", f.UUID(), h.LockWait),
		Advice:  "wait for the other run, or look for it with \"fuser -v\" on the filesystem's top level",
	})
}
