package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func pruneAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "prune",
		Summary: "Delete old snapshots by rules",
		Description: "Decides for each source which of its snapshots stay and deletes the others, oldest first. A snapshot stays if any " +
			"rule keeps it; at least one rule must be set. hourly to yearly keep the oldest snapshot of each of the newest N hours, days, " +
			"ISO weeks, months or years that have one.\n\n" +
			"Only managed snapshots are looked at: read-only, taken by btrfs.snapshot or received and recorded so, in the folder of their source, with their " +
			"name unchanged. All else in the folders is left alone, with a warning. Whatever the rules say, these stay: the newest, and the newest " +
			"at_least; those pinned by a file in .coppice/holds; those mounted anywhere, in containers too; the default subvolume; those that hold " +
			"other subvolumes; and those from the future or without a creation time.\n\n" +
			"Age counts only while the clock can be believed: it is synchronised, or clock: rtc is set, and the newest snapshots do not " +
			"contradict it. Without that nothing is deleted by age, and last and at_least go by the order of creation. Nothing is deleted " +
			"at all while a hold switch is on (/etc/coppice/hold, .coppice/hold on the filesystem, coppice.hold on the kernel command line), while a " +
			"hold or record can't be read, or where snapper or btrbk keep snapshots in the same folder, unless shared_with: others is set.\n\n" +
			"Each snapshot is looked at again before it is deleted, by UUID; one that has changed since the plan stays and is an error. " +
			"Deletions are on disk when the step ends; the kernel frees their space in the background.",
		Effect:    sdk.Destroys,
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[PruneInput, PruneOutput, prunePrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in PruneInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in PruneInput) (sdk.Planned[PruneOutput, prunePrivate], error) {
			var none prunePlan
			into, bad := volume.CleanFolder("/snapshots", in.Snapshots)
			if bad != nil {
				return none, bad
			}
			policy, err := in.policy()
			if err != nil {
				return none, err
			}
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return none, err
			}
			defer f.Close()
			m, err := observe(ctx, h, f, look{catalogue: true, guards: true, planning: true, prior: c.Prior, virtual: c.Virtual, space: in.wantsSpace()})
			if err != nil {
				return none, err
			}
			m.sources = observeSources(f, "sources", in.Sources)
			m.observeFolders(f, into)
			if m.folders[into].err == nil {
				for _, s := range pruneSources(m, into) {
					m.observeFolders(f, s.folder)
				}
			}
			return planPrune(m, in, into, policy, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in PruneInput, private prunePrivate) (PruneOutput, error) {
			return applyPrune(ctx, h, c, in, private)
		},
	})
}
