package btrfs

import (
	"context"

	"github.com/hbohlen/coppice/sdk"
)

func createAction(h host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "create",
		Summary: "Make a subvolume unless it exists",
		Description: "Makes an empty, writable subvolume. One that exists at the path is left as it is, whatever is in it " +
			"and whether or not it is read-only; a directory or file at the path is an error, and so is a missing parent folder. " +
			"The new subvolume is on disk when the step ends.",
		Converges: true,
		Touches:   []string{resourceType},
	}, sdk.Writer[CreateInput, CreateOutput, createPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in CreateInput) ([]sdk.Lock, error) {
			return nameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in CreateInput) (sdk.Planned[CreateOutput, createPrivate], error) {
			var none sdk.Planned[CreateOutput, createPrivate]
			path, bad := cleanPath("/subvolume", in.Subvolume)
			if bad != nil {
				return none, bad
			}
			f, err := open(ctx, in.Target)
			if err != nil {
				return none, err
			}
			defer f.Close()
			m, err := observe(ctx, h, f, look{prior: c.Prior})
			if err != nil {
				return none, err
			}
			m.observeThings(f, path, parentOf(path))
			return planCreate(m, path, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in CreateInput, private createPrivate) (CreateOutput, error) {
			return applyCreate(ctx, h, c, in, private)
		},
	})
}
