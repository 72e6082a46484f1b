package subvolume

import (
	"context"
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyCreate(ctx context.Context, h volume.Host, c *sdk.Call, in CreateInput, private createPrivate) (CreateOutput, error) {
	out := CreateOutput{Path: private.Path, UUID: private.UUID}
	if !private.Create {
		return out, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	made, err := f.CreateSubvolume(private.Path)
	if errors.Is(err, kernel.ErrExists) {
		return existing(f, out)
	}
	if err != nil {
		return out, volume.Explain("/subvolume", err)
	}
	out.UUID = sdk.UUID(made.UUID.String())
	if err := volume.SyncFolder(f, volume.ParentOf(private.Path)); err != nil {
		return out, volume.Refuse("", "the subvolume %q was made, but may be lost in a power cut: %v", private.Path, err)
	}
	c.Done(0)
	return out, nil
}

// existing is the result of a plan that has been applied already.
func existing(f *kernel.Filesystem, out CreateOutput) (CreateOutput, error) {
	all, err := f.List()
	if err != nil {
		return out, volume.Explain("", err)
	}
	for _, s := range all {
		if s.Path == out.Path {
			out.UUID = sdk.UUID(s.UUID.String())
			return out, nil
		}
	}
	return out, volume.Drifted("%q is something else than a subvolume now", out.Path)
}
