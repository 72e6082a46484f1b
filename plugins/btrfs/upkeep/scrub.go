package upkeep

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func scrubAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "scrub",
		Summary: "Read everything, and repair what has a good copy",
		Description: "Reads all data and metadata on all devices at the same time, compares them with their checksums, and repairs what is wrong " +
			"from a good copy (DUP, RAID). Errors without a good copy fail the step; they are counted, and the kernel's log names the files. " +
			"Files without checksums (no-CoW) are read, but nobody can tell whether they are right.\n\n" +
			"With if_older a scrub is due when the last one that came to its end is older, by the record in .coppice/upkeep on the filesystem " +
			"itself; when none is due, the outputs are those of the last one. Scrubs that other programs start are not in the record.\n\n" +
			"A scrub that is stopped stops within a second and remembers where it was, on each device; so does one that ends with the machine, by the last " +
			"half minute. The next one goes on there. A scrub, a balance and a defragmentation of one filesystem exclude each other; " +
			"snapshots go on meanwhile.",
		Touches: []string{scrubType},
	}, sdk.Writer[ScrubInput, ScrubOutput, scrubPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in ScrubInput) ([]sdk.Lock, error) {
			return volume.ExclusiveLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in ScrubInput) (sdk.Planned[ScrubOutput, scrubPrivate], error) {
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return sdk.Planned[ScrubOutput, scrubPrivate]{}, err
			}
			defer f.Close()
			facts, err := observeScrub(h, f)
			if err != nil {
				return sdk.Planned[ScrubOutput, scrubPrivate]{}, err
			}
			return planScrub(facts, in, c.Instant, facts.planned(scrubType, c.Prior))
		},
		Apply: func(ctx context.Context, c *sdk.Call, in ScrubInput, private scrubPrivate) (ScrubOutput, error) {
			return applyScrub(ctx, h, c, in, private)
		},
	})
}
