package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func renameAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "rename",
		Summary: "Give a subvolume another path",
		Description: "Moves a subvolume, with all that is in it, to another path of the same filesystem. What is there is never replaced. " +
			"Mounts of it follow, but who mounts it by its old path next time (subvol= in /etc/fstab) finds nothing: a mounted one is a " +
			"warning. A read-only one can get another name in the same folder only; the kernel moves it into no other. " +
			"Managed snapshots, and what they lie in, are refused: their place says whose snapshots they are.\n\n" +
			"When there is nothing at the old path and a subvolume at the new one, the step has been done. Give uuid to be sure that it is " +
			"the same one; then it also does not matter what is at the old path by now. The new name is on disk when the step ends.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[RenameInput, RenameOutput, renamePrivate]{
		Locks: nameLocks(func(in RenameInput) volume.Target { return in.Target }),
		Plan: func(ctx context.Context, c *sdk.Call, in RenameInput) (renamePlan, error) {
			from, bad := volume.CleanPath("/subvolume", in.Subvolume)
			if bad != nil {
				return renamePlan{}, bad
			}
			to, bad := volume.CleanPath("/to", in.To)
			if bad != nil {
				return renamePlan{}, bad
			}
			f, v, err := open(ctx, h, in.Target, subvolume.Look{Catalogue: true, Guards: true, Prior: c.Prior})
			if err != nil {
				return renamePlan{}, err
			}
			defer f.Close()
			v.LookAt(from, to)
			return planRename(v, in, from, to, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in RenameInput, private renamePrivate) (RenameOutput, error) {
			return applyRename(ctx, h, c, in, private)
		},
	})
}
