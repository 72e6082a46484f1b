package recovery

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// FileType is the type of resource that btrfs.restore touches. Its scope is the filesystem's UUID, or empty for an
// absolute path on another filesystem.
const FileType = "file"

func restoreAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "restore",
		Summary: "Copy a file or folder back out of a snapshot",
		Description: "Copies a file, or a folder with all that is in it, out of a snapshot. The data is shared with the snapshot (reflink), so that it takes " +
			"no time and no space. Owner, permissions, times, extended attributes and ACLs, holes, and several names of one file come along; sockets, the content of " +
			"nested subvolumes and the flags immutable and append-only do not, with a warning.\n\n" +
			"Nothing that exists is overwritten unless existing: replace says so. What is there just as in the snapshot is left as it is. " +
			"The copy is made in a folder that only root can look into, beside its place, written to disk, and then gets its name at once: whatever " +
			"happens, either all of it is there or nothing. What a restore that was cut off has left of it, the next one removes. " +
			"No symbolic link is followed anywhere.\n\n" +
			"While it copies, the names of the filesystem are locked, so that nobody deletes the snapshot.",
		Converges: true,
		Touches:   []string{FileType, volume.ResourceType},
	}, sdk.Writer[RestoreInput, RestoreOutput, restorePrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in RestoreInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in RestoreInput) (restorePlan, error) {
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return restorePlan{}, err
			}
			defer f.Close()
			o, err := observeRestore(ctx, h, c, f, in)
			if err != nil {
				return restorePlan{}, err
			}
			return planRestore(o, in, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in RestoreInput, private restorePrivate) (RestoreOutput, error) {
			return applyRestore(ctx, h, c, in, private)
		},
	})
}
