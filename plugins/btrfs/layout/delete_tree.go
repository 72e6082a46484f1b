package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// It is an action of its own and no option of btrfs.delete: that one can be put into any playbook because it deletes nothing
// but snapshots that coppice took itself, whatever its inputs say. This one deletes the only copy of data, and whoever reads a
// playbook shall see that by its name.
func deleteTreeAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "delete_tree",
		Summary: "Delete subvolumes of any kind, with those inside of them",
		Description: "Deletes the subvolumes that are named by path or UUID, WITH ALL DATA IN THEM. What is not there already is no error. " +
			"One in which others lie that are not named too needs recursive: true; each of these is then in the plan as well, with its UUID. The innermost go first. Where one " +
			"lies in a read-only one that goes too, the outer one is made writable first, and read-only again should it stay after a failure.\n\n" +
			"Nothing goes if a single one must stay: one that is mounted anywhere, one that is being received, the default subvolume, one that is pinned (as the parent that the " +
			"next incremental backup needs is), one with an active swap file, one that has managed snapshots (rename it first if it " +
			"has really had its day), the last valid snapshot of a source, what lies in a read-only subvolume that stays, and coppice's own records. " +
			"A hold switch stops it, and so does a hold or record that can't be read.\n\n" +
			"For snapshots use btrfs.prune and btrfs.delete, which can delete nothing else.",
		Effect:    sdk.Destroys,
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[DeleteTreeInput, DeleteTreeOutput, deleteTreePrivate]{
		Locks: nameLocks(func(in DeleteTreeInput) volume.Target { return in.Target }),
		Plan: func(ctx context.Context, c *sdk.Call, in DeleteTreeInput) (deleteTreePlan, error) {
			f, v, err := open(ctx, h, in.Target, subvolume.Look{Catalogue: true, Guards: true, Prior: c.Prior})
			if err != nil {
				return deleteTreePlan{}, err
			}
			defer f.Close()
			v.LookAt(in.Subvolumes...)
			swaps, err := f.SwapFiles()
			if err != nil {
				return deleteTreePlan{}, volume.Explain("", err)
			}
			return planDeleteTree(v, swaps, in, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in DeleteTreeInput, private deleteTreePrivate) (DeleteTreeOutput, error) {
			return applyDeleteTree(ctx, h, c, in, private)
		},
	})
}
