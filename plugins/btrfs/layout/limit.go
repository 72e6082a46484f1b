package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func limitAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "limit",
		Summary: "Limit how much a subvolume may use",
		Description: "Sets the limits of a subvolume's quota group. Who reaches one gets \"disk quota exceeded\" on writing. A limit below what " +
			"is used already is legal and a warning: nothing can be written there until enough is deleted. 0B takes a limit away. " +
			"Quotas must be on (btrfs.quota). Subvolumes inside of it, and its snapshots, have groups of their own and do not count. " +
			"What is set is on disk when the step ends.",
		Converges: true,
		Touches:   []string{volume.ResourceType, volume.FilesystemType},
	}, sdk.Writer[LimitInput, LimitOutput, limitPrivate]{
		Locks: nameLocks(func(in LimitInput) volume.Target { return in.Target }),
		Plan: func(ctx context.Context, c *sdk.Call, in LimitInput) (limitPlan, error) {
			path, bad := volume.CleanPath("/subvolume", in.Subvolume)
			if bad != nil {
				return limitPlan{}, bad
			}
			f, v, err := open(ctx, h, in.Target, subvolume.Look{Prior: c.Prior})
			if err != nil {
				return limitPlan{}, err
			}
			defer f.Close()
			v.LookAt(path)
			q, err := observeQuotas(f, v)
			if err != nil {
				return limitPlan{}, err
			}
			return planLimit(v, q, in, path, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in LimitInput, private limitPrivate) (LimitOutput, error) {
			return applyLimit(ctx, h, c, in, private)
		},
	})
}
