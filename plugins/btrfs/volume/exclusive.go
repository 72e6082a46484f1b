package volume

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

// The second lock of a filesystem excludes what works on the whole of it for hours: scrub, balance, defragment. It is not the one
// on names, so that a scrub keeps nobody from taking snapshots.
//
// It is a flock on the inode of coppice's own folder. An inode of the filesystem itself is the same through all mounts and
// in all containers, which a file in /run is not, nor a node in /dev, nor a file of /sys (one in each network namespace).
// A btrfs has only one inode that is always there, the top level, and flock has only one lock for each inode.
// The folder is where these actions leave their records anyway. If it is missing, it is made, empty: without a record in it
// it means nothing yet. Where it is missing and can't be made, on a read-only or full filesystem, nothing is locked: a full one may need
// just that balance. The kernel itself lets only one scrub and one balance run, and each of the actions looks for the other one.
const exclusivePart = ":exclusive"

// ExclusiveKey is the key of that lock.
func ExclusiveKey(id kernel.UUID) string { return keyPrefix + id.String() + exclusivePart }

// ExclusiveLocks is the Locks hook of the actions that work on the whole filesystem.
func ExclusiveLocks(ctx context.Context, t Target) ([]sdk.Lock, error) {
	return locksOf(ctx, t, ExclusiveKey, "scrub, balance and defragmentation")
}

// LockExclusive takes that lock, unless this process has it for the whole run.
func LockExclusive(ctx context.Context, h Host, f *kernel.Filesystem) (unlock func(), err error) {
	lock := func(ctx context.Context) (func(), error) { return lockExclusive(ctx, f) }
	return waitFor(ctx, h, ExclusiveKey(f.UUID()), lock, exclusiveBusy(f.UUID()))
}

// OpenExclusive is OpenPlanned, and takes that lock. The caller calls release, which closes the
// filesystem too.
func OpenExclusive(ctx context.Context, h Host, t Target, uuid string) (f *kernel.Filesystem, release func(), err error) {
	if f, err = OpenPlanned(ctx, t, uuid); err != nil {
		return nil, nil, err
	}
	unlock, err := LockExclusive(ctx, h, f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, func() { unlock(); f.Close() }, nil
}

func exclusiveBusy(id kernel.UUID) *sdk.Error {
	return &sdk.Error{Reason: sdk.Busy, Summary: fmt.Sprintf("another process scrubs, balances or defragments btrfs %s", id),
		Advice: "wait for it; \"fuser -v\" on " + StateFolder + " at the filesystem's top level finds it, unless it is in a container"}
}

func lockExclusive(ctx context.Context, f *kernel.Filesystem) (unlock func(), err error) {
	for {
		unlock, err := f.LockDir(ctx, StateFolder)
		if !errors.Is(err, kernel.ErrNotFound) {
			return unlock, err
		}
		_, err = f.MkdirAll(StateFolder, 0o700)
		switch {
		case errors.Is(err, kernel.ErrReadOnly), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
			return func() {}, nil
		case err != nil && !errors.Is(err, kernel.ErrExists): // somebody else was faster
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
	}
}
