package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applySetDefault(ctx context.Context, h volume.Host, c *sdk.Call, in SetDefaultInput, private setDefaultPrivate) (SetDefaultOutput, error) {
	if !private.Set {
		return private.Output, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return private.Output, err
	}
	defer release()
	id := uint64(kernel.TopLevelID)
	if private.Path != "" {
		s, err := f.ByUUID(private.UUID)
		switch {
		case err != nil:
			return private.Output, volume.Explain("", err)
		case s.Path != private.Path:
			return private.Output, volume.Drifted("the subvolume %q is at %q now", private.Path, s.Path)
		}
		id = s.ID
	}
	was, err := f.Default()
	if err != nil {
		return private.Output, volume.Explain("", err)
	}
	if was == id {
		return private.Output, nil // this plan has been applied
	}
	if err := f.SetDefault(id, private.UUID); err != nil {
		return private.Output, volume.Explain("", err)
	}
	if err := f.Sync(); err != nil {
		return private.Output, volume.Refuse("", "the default subvolume was changed, but may be the old one again after a power cut: %v", err)
	}
	c.Done(0)
	return private.Output, nil
}
