package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func createAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "create",
		Summary: "Make a subvolume unless it exists",
		Description: "Makes an empty, writable subvolume. One that exists at the path is left as it is, whatever is in it " +
			"and whether or not it is read-only; a directory or file at the path is an error, and so is a missing parent folder. " +
			"The new subvolume is on disk when the step ends.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[CreateInput, CreateOutput, createPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in CreateInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in CreateInput) (sdk.Planned[CreateOutput, createPrivate], error) {
			var none sdk.Planned[CreateOutput, createPrivate]
			path, bad := volume.CleanPath("/subvolume", in.Subvolume)
			if bad != nil {
				return none, bad
			}
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return none, err
			}
			defer f.Close()
			m, err := observe(ctx, h, f, look{prior: c.Prior})
			if err != nil {
				return none, err
			}
			m.observeThings(f, path, volume.ParentOf(path))
			return planCreate(m, path, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in CreateInput, private createPrivate) (CreateOutput, error) {
			return applyCreate(ctx, h, c, in, private)
		},
	})
}
