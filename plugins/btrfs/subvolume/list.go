package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func listAction(h volume.Host) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "list",
		Summary: "List subvolumes and snapshots",
		Description: "Lists the subvolumes of a filesystem, the top level excepted, whatever part of it is mounted. In a " +
			"preview it shows what the earlier steps would leave: a subvolume that would be made is listed with its UUID " +
			"and id unknown, one that would be deleted is not listed. managed tells which snapshots coppice took and " +
			"btrfs.prune may expire.",
		Touches: []string{volume.ResourceType},
	}, func(ctx context.Context, c *sdk.Call, in ListInput) (sdk.Planned[ListOutput, sdk.None], error) {
		var planned sdk.Planned[ListOutput, sdk.None]
		under, bad := volume.CleanPath("/under", in.Under)
		if bad != nil {
			return planned, bad
		}
		f, err := volume.Open(ctx, in.Target)
		if err != nil {
			return planned, err
		}
		defer f.Close()
		m, err := observe(ctx, h, f, look{catalogue: !in.CountOnly || c.Virtual == sdk.VirtualEmpty, prior: c.Prior, virtual: c.Virtual})
		if err != nil {
			return planned, err
		}
		return planList(m, under, in.CountOnly), nil
	})
}
