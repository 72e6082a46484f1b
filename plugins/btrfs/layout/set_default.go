package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func setDefaultAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "set_default",
		Summary: "Choose the subvolume that is mounted when none is asked for",
		Description: "Makes a subvolume the filesystem's default: whoever mounts the filesystem without subvol= and subvolid= gets it, " +
			"from the next mount on. Mounts that exist stay as they are. A server whose boot does not say which subvolume its root is " +
			"starts from the default. The default subvolume can't be deleted. The choice is on disk when the step ends.",
		Converges: true,
		Touches:   []string{volume.ResourceType, volume.FilesystemType},
	}, sdk.Writer[SetDefaultInput, SetDefaultOutput, setDefaultPrivate]{
		Locks: nameLocks(func(in SetDefaultInput) volume.Target { return in.Target }),
		Plan: func(ctx context.Context, c *sdk.Call, in SetDefaultInput) (setDefaultPlan, error) {
			path, bad := volume.CleanPath("/subvolume", in.Subvolume)
			if bad != nil {
				return setDefaultPlan{}, bad
			}
			f, v, err := open(ctx, h, in.Target, subvolume.Look{Guards: true, Prior: c.Prior})
			if err != nil {
				return setDefaultPlan{}, err
			}
			defer f.Close()
			v.LookAt(path)
			return planSetDefault(v, path, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in SetDefaultInput, private setDefaultPrivate) (SetDefaultOutput, error) {
			return applySetDefault(ctx, h, c, in, private)
		},
	})
}
