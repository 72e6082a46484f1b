package upkeep

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func balanceAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "balance",
		Summary: "Make allocated space free again by emptying chunks that are used little",
		Description: "A btrfs gives its space to chunks, for data or for metadata. When all is given away, and the chunks of one kind are full, writing fails although " +
			"there is free space in those of the other. This moves data out of chunks that are used little, so that they become unallocated: in " +
			"stages, from nearly empty ones on, one chunk after the other, until the goal is met. It does nothing when the goal is met " +
			"already, and nothing that could not make a whole chunk free. There is no way to relocate everything: that only wears the devices out.\n\n" +
			"A balance that is stopped is cancelled: the kernel finishes or undoes the chunk at hand, which may take some seconds; what was relocated stays, and nothing is left that " +
			"would go on at the next mount. The next one starts with what there is then. Without room to move even one chunk it fails: free some space first.\n\n" +
			"A scrub, a balance and a defragmentation of one filesystem exclude each other; snapshots go on meanwhile.",
		Touches: []string{balanceType},
	}, sdk.Writer[BalanceInput, BalanceOutput, balancePrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in BalanceInput) ([]sdk.Lock, error) {
			return volume.ExclusiveLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in BalanceInput) (sdk.Planned[BalanceOutput, balancePrivate], error) {
			none := sdk.Planned[BalanceOutput, balancePrivate]{}
			if err := checkStages(in.Usage); err != nil {
				return none, err
			}
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return none, err
			}
			defer f.Close()
			facts, err := observeBalance(f)
			if err != nil {
				return none, err
			}
			return planBalance(facts, in, c.Instant, facts.planned(balanceType, c.Prior))
		},
		Apply: func(ctx context.Context, c *sdk.Call, in BalanceInput, private balancePrivate) (BalanceOutput, error) {
			return applyBalance(ctx, h, c, in, private)
		},
	})
}
