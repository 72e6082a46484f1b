package recovery

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func replaceAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "replace",
		Summary: "Put a snapshot in the place of a subvolume",
		Description: "Makes a writable copy of a snapshot or archived subvolume and gives it the name of another one, which gets its place in the archive, by " +
			"one atomic exchange. Nothing is deleted. The replaced one keeps its UUID and the subvolumes that lie in it, and is pinned for btrfs.replace, so " +
			"that nothing expires it. A copy has no nested subvolumes: they are told in a warning.\n\n" +
			"It may be mounted, as the root that the system runs from is. Mounts and processes stay with the replaced one, so what is written until " +
			"the next mount or reboot goes into the archive.\n\n" +
			"Each point is on disk before the next: the record in .coppice/replaced, the pin, the copy, the exchange. Whenever it is " +
			"cut off, the path leads to the old subvolume or to the new one, and a second run goes on from there; what is where is decided by UUID. " +
			"When a copy of the same one was put there before, there is nothing to do, unless again is set.\n\n" +
			"Refused is the filesystem's default subvolume: a system that boots it finds it by its id, whatever its name. A subvolid= in " +
			"the fstab that the new one has, or on the kernel's command line, is a warning for the same reason.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[ReplaceInput, ReplaceOutput, replacePrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in ReplaceInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in ReplaceInput) (replacePlan, error) {
			archive, bad := volume.CleanFolder("/archive", in.Archive)
			if bad != nil {
				return replacePlan{}, bad
			}
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return replacePlan{}, err
			}
			defer f.Close()
			o, err := observeReplace(ctx, h, c, f, in, archive)
			if err != nil {
				return replacePlan{}, err
			}
			return planReplace(o, in, c)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in ReplaceInput, private replacePrivate) (ReplaceOutput, error) {
			return applyReplace(ctx, h, c, in, private)
		},
	})
}
