package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func propertyAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "property",
		Summary: "Set properties of a subvolume, directory or file",
		Description: "Makes a subvolume read-only or writable, and says how the data of a subvolume, directory or file is stored. New files " +
			"and directories get the compression and copy on write of the directory that they are made in; a new subvolume gets the " +
			"compression of the subvolume that it is made in. What is there already stays as it is, which is a warning.\n\n" +
			"no_cow and compression exclude each other. A file with data keeps its copy on write: the kernel would ignore the change " +
			"without a word, so it is refused. So is a level of compression (zstd:3), which the kernel would store and not use: only the mount " +
			"option compress= has levels.\n\n" +
			"read_only: false is refused for a received subvolume, which would go on saying that it is the same as the one that was sent, for " +
			"a managed snapshot, and for one that is pinned. read_only: true is refused while a swap file in it is active, which could not be " +
			"switched off any more. What was set is on disk when the step ends.",
		Converges: true,
		Touches:   []string{volume.ResourceType, subvolume.FileType},
	}, sdk.Writer[PropertyInput, PropertyOutput, propertyPrivate]{
		Locks: nameLocks(func(in PropertyInput) volume.Target { return in.Target }),
		Plan: func(ctx context.Context, c *sdk.Call, in PropertyInput) (propertyPlan, error) {
			path, bad := volume.CleanPath("/path", in.Path)
			if bad != nil {
				return propertyPlan{}, bad
			}
			look := subvolume.Look{Prior: c.Prior, Catalogue: in.ReadOnly != nil, Guards: in.ReadOnly != nil}
			f, v, err := open(ctx, h, in.Target, look)
			if err != nil {
				return propertyPlan{}, err
			}
			defer f.Close()
			v.LookAt(path)
			at, err := observeTarget(f, v, path)
			if err != nil {
				return propertyPlan{}, err
			}
			if in.ReadOnly != nil {
				if at.swapFiles, err = f.SwapFiles(); err != nil {
					return propertyPlan{}, volume.Explain("", err)
				}
			}
			return planProperty(v, at, in, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in PropertyInput, private propertyPrivate) (PropertyOutput, error) {
			return applyProperty(ctx, h, c, in, private)
		},
	})
}
