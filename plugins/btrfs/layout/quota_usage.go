package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func quotaUsageAction(h volume.Host) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "quota_usage",
		Summary: "Tell what subvolumes use, and their limits",
		Description: "Reads the quota groups, with the figures of \"btrfs qgroup show --raw\": they are those of the last commit, at most half a " +
			"minute old. The group of a subvolume that is gone stays for a while and is shown as stale. With quotas off there are none. In a " +
			"preview the subvolumes have the paths that earlier steps would give them.",
		Touches: []string{volume.ResourceType, volume.FilesystemType},
	}, func(ctx context.Context, c *sdk.Call, in QuotaUsageInput) (sdk.Planned[QuotaUsageOutput, sdk.None], error) {
		var planned sdk.Planned[QuotaUsageOutput, sdk.None]
		under, bad := volume.CleanPath("/under", in.Under)
		if bad != nil {
			return planned, bad
		}
		f, v, err := open(ctx, h, in.Target, subvolume.Look{Prior: c.Prior})
		if err != nil {
			return planned, err
		}
		defer f.Close()
		q, err := observeQuotas(f, v)
		if err != nil {
			return planned, err
		}
		return planQuotaUsage(v, q, in, under), nil
	})
}
