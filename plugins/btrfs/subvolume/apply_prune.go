package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyPrune(ctx context.Context, h volume.Host, c *sdk.Call, in PruneInput, private prunePrivate) (PruneOutput, error) {
	var out PruneOutput
	if err := c.PlannedOutputs(&out); err != nil {
		return out, err
	}
	planned := out.Deleted
	out.Deleted = []PrunedSnapshot{}
	if len(private.Items) == 0 {
		return out, nil
	}
	f, err := volume.OpenPlanned(ctx, in.Target, private.Filesystem)
	if err != nil {
		out.Kept = append(out.Kept, private.Stay...)
		return out, err
	}
	defer f.Close()
	d := deletion{h: h, c: c, f: f, into: private.Into, items: private.Items, clock: in.Clock}
	if private.Sure < len(private.Items) {
		d.want = &want{in: in, sure: private.Sure, next: private.Sure}
	}
	deleted, err := d.run(ctx)
	gone := make(map[int]bool, len(deleted))
	for _, i := range deleted {
		gone[i] = true
		out.Deleted = append(out.Deleted, planned[i])
	}
	for i, s := range private.Stay {
		if !gone[private.Sure+i] {
			out.Kept = append(out.Kept, s)
		}
	}
	return out, err
}
