// Package btrfs is the btrfs plugin: it reads a filesystem, makes subvolumes and snapshots, and deletes snapshots that
// nothing keeps any more.
//
// It deletes nothing but snapshots that it took itself, and those only by UUID, after having looked at them again under
// the filesystem's lock. It never follows a symbolic link inside the filesystem and never starts a program.
//
// Words:
//
//   - Path: from the filesystem's top level (subvolume 5), without a leading "/", wherever it is mounted.
//   - Source: a subvolume that is snapshotted, called by its path. It may be replaced by another one of the same path.
//   - Folder: the directory that holds the snapshots of one source, <into>/<path of the source, "/" as "-">.
//   - Stamp: the name of a snapshot in its folder, the run's instant in UTC, such as 20261024T060000.000Z.
//   - Catalogue: the records in .coppice/snapshots on the filesystem itself of which snapshots were taken, and from what.
//   - Managed: a snapshot that btrfs.prune may expire: read-only, in the folder of its source, with a stamp that agrees
//     with its creation time, in the catalogue. Everything else in a folder is foreign and left alone.
//   - Hold: a file in .coppice/holds named by the UUID of a snapshot that must stay; the snapshot is pinned.
//   - Hold switch: a file or kernel parameter that stops every deletion.
//   - Planned: not there yet; an earlier step of a preview would make it.
//
// Each action is one file that puts together what the others have: schema.go has the inputs and outputs; observe*.go
// reads the machine into one value; overlay.go lays the changes of earlier steps over it; plan_*.go decides and is pure;
// apply_*.go writes.
package btrfs

import (
	"context"
	"errors"
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

// Version of the plugin.
const Version = "0.1.0"

// resourceType is the type of resource that the actions touch. Its scope is the filesystem's UUID.
const resourceType = "btrfs.subvolume"

// New returns the plugin.
func New() *sdk.Plugin { return newPlugin(liveHost()) }

func newPlugin(h host) *sdk.Plugin {
	return &sdk.Plugin{
		Name:    "btrfs",
		Version: Version,
		Summary: "subvolumes and snapshots of btrfs filesystems",
		Locks:   h.locks,
		Actions: []sdk.Action{
			usageAction(h), listAction(h), createAction(h), snapshotAction(h), pruneAction(h), deleteAction(h),
		},
	}
}

// open opens the filesystem that an action works on. The caller closes it.
func open(ctx context.Context, t Target) (*kernel.Filesystem, error) {
	f, err := kernel.Open(ctx, string(t.Filesystem))
	if err != nil {
		return nil, explainOpen(err)
	}
	return f, nil
}

// nameLocks is the Locks hook of every writing action.
func nameLocks(ctx context.Context, t Target) ([]sdk.Lock, error) {
	f, err := open(ctx, t)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	title := "names of btrfs " + f.UUID().String()
	if label, err := f.Label(); err == nil && label != "" {
		title += fmt.Sprintf(" (%s)", label)
	}
	return []sdk.Lock{{Key: namesKey(f.UUID()), Title: title}}, nil
}

// lockNames takes the kernel's lock on the names of the filesystem, unless this process has it for the whole run.
func lockNames(ctx context.Context, h host, f *kernel.Filesystem) (unlock func(), err error) {
	if h.locks.has(namesKey(f.UUID())) {
		return func() {}, nil
	}
	wait, cancel := context.WithTimeout(ctx, h.lockWait)
	defer cancel()
	unlock, err = f.LockNames(wait)
	switch {
	case err == nil:
		return unlock, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, kernel.ErrBusy):
		return nil, &sdk.Error{
			Reason:  sdk.Busy,
			Summary: fmt.Sprintf("the names of btrfs %v are locked by another process since %v", f.UUID(), h.lockWait),
			Advice:  "wait for the other run, or look for it with \"fuser -v\" on the filesystem's top level",
		}
	}
	return nil, explain("", err)
}
