// Package layout has the actions of the btrfs plugin on the shape of a filesystem: which subvolumes there are and what they
// are called, their properties, quotas and limits.
//
// It deletes what it is told to, subvolume by subvolume, each by its UUID after having looked at it again under the
// filesystem's lock, and nothing that something guards.
//
// Words:
//
//   - Property: what a subvolume, directory or file says about how its data is stored: read-only, compression, copy on write.
//   - No-CoW: data is overwritten in place. There are no checksums then, and no compression.
//   - Limit: how much a subvolume may use, kept by its quota group.
//   - Converge: change what differs from what is asked for, and nothing else.
//
// The files are as those of package subvolume, whose View of the machine all actions start from.
package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Actions of this package.
func Actions(h volume.Host) []sdk.Action {
	return []sdk.Action{
		renameAction(h), setDefaultAction(h), propertyAction(h), deleteTreeAction(h),
		quotaAction(h), limitAction(h), quotaUsageAction(h), layoutAction(h),
	}
}

// open opens the filesystem and looks at it, for a plan. The caller closes it.
func open(ctx context.Context, h volume.Host, t volume.Target, l subvolume.Look) (*kernel.Filesystem, *subvolume.View, error) {
	f, err := volume.Open(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	l.Planning = true
	v, err := subvolume.Observe(ctx, h, f, l)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, v, nil
}

// nameLocks is the Locks hook of the actions that need to know that nobody renames anything meanwhile.
func nameLocks[In any](target func(In) volume.Target) func(context.Context, *sdk.Call, In) ([]sdk.Lock, error) {
	return func(ctx context.Context, c *sdk.Call, in In) ([]sdk.Lock, error) {
		return volume.NameLocks(ctx, target(in))
	}
}

// reserved reports whether a path belongs to coppice's own records.
func reserved(path string) bool {
	return path == volume.StateFolder || volume.Inside(volume.StateFolder, path)
}

// reservedError is for an input that names such a path.
func reservedError(input, path string) *sdk.Error {
	return sdk.InvalidInput(input, "%q is reserved for coppice's own records", path)
}

// refuse is for an input that is right as such, and can't be had on this machine as it is.
func refuse(input, advice, format string, args ...any) *sdk.Error {
	e := volume.Refuse(advice, format, args...)
	e.Path = input
	return e
}

// warning is a warning about an input.
func warning(input, advice, format string, args ...any) sdk.Diagnostic {
	d := volume.Warn(advice, format, args...)
	d.Path = input
	return d
}
