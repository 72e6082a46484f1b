package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func quotaAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "quota",
		Summary: "Switch quotas on or off",
		Description: "Sets how the filesystem counts what its subvolumes use, which is what limits need. When classic quotas are switched " +
			"on, or their numbers are wrong, the kernel counts all data, and the step waits for that; stopping the step does not stop the " +
			"counting. With classic quotas and more than 100 snapshots there is a warning: each snapshot and deletion then takes longer.\n\n" +
			"One mode is never exchanged for the other in one step: switch quotas off first, with a step of its own. Then all limits are " +
			"gone, which is a warning that counts them.",
		Converges: true,
		Touches:   []string{volume.FilesystemType},
	}, sdk.Writer[QuotaInput, QuotaOutput, quotaPrivate]{
		// No lock on names: nothing here has to do with them, and counting can take hours.
		Plan: func(ctx context.Context, c *sdk.Call, in QuotaInput) (quotaPlan, error) {
			f, v, err := open(ctx, h, in.Target, subvolume.Look{Prior: c.Prior})
			if err != nil {
				return quotaPlan{}, err
			}
			defer f.Close()
			q, err := observeQuotas(f, v)
			if err != nil {
				return quotaPlan{}, err
			}
			return planQuota(v, q, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in QuotaInput, private quotaPrivate) (QuotaOutput, error) {
			return applyQuota(ctx, c, in, private)
		},
	})
}
