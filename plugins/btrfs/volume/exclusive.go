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
	f, err := Open(ctx, t)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	title := "scrub, balance and defragmentation of btrfs " + f.UUID().String()
	if label, err := f.Label(); err == nil && label != "" {
		title += fmt.Sprintf(" (%s)", label)
	}
	return []sdk.Lock{{Key: ExclusiveKey(f.UUID()), Title: title}}, nil
}

// LockExclusive takes that lock, unless this process has it for the whole run.
func LockExclusive(ctx context.Context, h Host, f *kernel.Filesystem) (unlock func(), err error) {
	if h.Locks.Has(ExclusiveKey(f.UUID())) {
		return func() {}, nil
	}
	wait, cancel := context.WithTimeout(ctx, h.LockWait)
	defer cancel()
	unlock, err = lockExclusive(wait, f)
	switch {
	case err == nil:
		return unlock, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, kernel.ErrBusy):
		return nil, exclusiveBusy(f.UUID())
	}
	return nil, Explain("", err)
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
