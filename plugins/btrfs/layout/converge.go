package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func layoutAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "layout",
		Summary: "Make subvolumes be there, with their properties and limits",
		Description: "Makes the subvolumes of a list that are missing, those that others lie in first, and gives each the compression, copy on " +
			"write and limits that the list says, on a filesystem that is empty or in use. What the list does not say stays as it is, and so does every " +
			"subvolume that is not in it: nothing is deleted or moved.\n\n" +
			"Properties hold for files that are made from now on. Files that are in a subvolume already stay as they are, which is a " +
			"warning; with strict: true it is an error and that subvolume is left alone. It is told when the property changes, and not again. " +
			"A directory or file where a subvolume shall be is an error. An error about one subvolume does not keep the others from being made.\n\n" +
			"Limits need quotas (btrfs.quota). Everything is on disk when the step ends.",
		Converges: true,
		Touches:   []string{volume.ResourceType, volume.FilesystemType},
	}, sdk.Writer[Input, Output, layoutPrivate]{
		Locks: nameLocks(func(in Input) volume.Target { return in.Target }),
		Plan: func(ctx context.Context, c *sdk.Call, in Input) (layoutPlan, error) {
			wanted, err := readEntries(in.Subvolumes)
			if err != nil {
				return layoutPlan{}, err
			}
			f, v, err := open(ctx, h, in.Target, subvolume.Look{Prior: c.Prior})
			if err != nil {
				return layoutPlan{}, err
			}
			defer f.Close()
			o, err := observeLayout(f, v, wanted)
			if err != nil {
				return layoutPlan{}, err
			}
			return planLayout(v, o, wanted, in.Strict, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in Input, private layoutPrivate) (Output, error) {
			return applyLayout(ctx, h, c, in, private)
		},
	})
}
