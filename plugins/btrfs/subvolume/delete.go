package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func deleteAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "delete",
		Summary: "Delete snapshots by name",
		Description: "Deletes the snapshots that are named by path or UUID. What is not there already is no error. Everything that guards " +
			"snapshots from btrfs.prune does so here: only managed snapshots in the folder of snapshots are deleted, none that is pinned, " +
			"mounted, the default subvolume or holds other subvolumes, never the last valid one of a source, and nothing while a hold switch is on " +
			"or a hold can't be read. If a single one of them can't be deleted, none is.",
		Effect:    sdk.Destroys,
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[DeleteInput, DeleteOutput, deletePrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in DeleteInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in DeleteInput) (sdk.Planned[DeleteOutput, deletePrivate], error) {
			var none deletePlan
			into, bad := volume.CleanFolder("/snapshots", in.Snapshots)
			if bad != nil {
				return none, bad
			}
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return none, err
			}
			defer f.Close()
			m, err := observe(ctx, h, f, look{catalogue: true, guards: true, prior: c.Prior})
			if err != nil {
				return none, err
			}
			for i, given := range in.Subvolumes {
				if wanted := parseWanted(volume.At("subvolumes", i), given); wanted.bad == nil && wanted.path != "" {
					m.observeThings(f, wanted.path)
				}
			}
			return planDelete(m, in, into, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in DeleteInput, private deletePrivate) (DeleteOutput, error) {
			return applyDelete(ctx, h, c, in, private)
		},
	})
}
