package layout

import (
	"context"
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyLimit(ctx context.Context, h volume.Host, c *sdk.Call, in LimitInput, private limitPrivate) (LimitOutput, error) {
	if !private.Set {
		return private.Output, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return private.Output, err
	}
	defer release()
	s, err := f.ByUUID(private.UUID)
	switch {
	case err != nil:
		return private.Output, volume.Explain("", err)
	case s.Path != private.Path:
		return private.Output, volume.Drifted("the subvolume %q is at %q now", private.Path, s.Path)
	}
	changed, err := setLimits(f, s, private.Limits)
	if err != nil {
		return private.Output, volume.Explain("", err)
	}
	if changed {
		if err := f.Sync(); err != nil {
			return private.Output, volume.Refuse("", "the limit was set, but may be lost in a power cut: %v", err)
		}
		c.Done(0)
	}
	return private.Output, nil
}

// setLimits sets the limits of a subvolume unless it has them, which the tree tells that is in memory already.
func setLimits(f *kernel.Filesystem, s kernel.Subvolume, to limits) (changed bool, err error) {
	now, err := f.QuotaGroup(s.ID)
	if err == nil && now.QuotaLimit.Equal(to.kernel()) {
		return false, nil
	}
	if err != nil && !errors.Is(err, kernel.ErrNotFound) {
		return false, err
	}
	return true, f.SetQuotaLimit(s.ID, s.UUID, to.kernel())
}
