package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyDelete(ctx context.Context, h volume.Host, c *sdk.Call, in DeleteInput, private deletePrivate) (DeleteOutput, error) {
	out := DeleteOutput{Deleted: []DeletedSnapshot{}}
	if len(private.Items) == 0 {
		return out, nil
	}
	f, err := volume.OpenPlanned(ctx, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer f.Close()
	d := deletion{h: h, c: c, f: f, into: private.Into, items: private.Items, clock: "system"}
	deleted, err := d.run(ctx)
	for _, i := range deleted {
		out.Deleted = append(out.Deleted, private.Output.Deleted[i])
	}
	return out, err
}
