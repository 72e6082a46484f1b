package boot

import (
	"context"

	"github.com/hbohlen/coppice/sdk"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

func rollbackAction(m machine) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "rollback",
		Summary: "Give the machine a clean root, and archive the old one",
		Description: "For the initrd, before the root is mounted. Makes a clean root beside the old one and exchanges the two by one atomic exchange of " +
			"names, so that the old one lies in the archive then, whole, with the subvolumes in it. Nothing is deleted. Other subvolumes are reset in " +
			"the same way, before the root. It takes the same time whatever lies in the root and in the archive, and once a boot is enough: a second call " +
			"in the same boot does nothing.\n\n" +
			"Each point is on disk before the next: the intent, the clean one, the record of the archive, the exchange. Whenever the power goes, the path leads to " +
			"the old root or to the new one, and the next boot finds out by UUID how far this one came, and goes on. A clean one that never came to its place stays in the archive, " +
			"recorded as abandoned. A root that is still as it was made is used again.\n\n" +
			"If boots are not confirmed, fall_back of them in a row, a copy of the last confirmed root comes back, and nothing is rolled back until a boot is confirmed.\n\n" +
			"It leaves everything as it is, without an error, when a hold switch is on, coppice.rollback=0 is on the kernel command line, .coppice/boot/skip-next is there, " +
			"rollback is off, and in a kernel that saves a crash, on a live medium and with a volatile root. It refuses, with an error and everything as it was: when the machine may " +
			"hibernate; when the root is mounted, the default subvolume, read-only, no subvolume, or mounted from elsewhere, by id or by another name; when the filesystem " +
			"is read-only or full; when the blank could not start the machine; when keys and ids of the machine would go that nobody has acknowledged; and when what an " +
			"unfinished rollback has left was changed by somebody else.",
		Converges: true,
		Touches:   []string{volume.ResourceType, recordType},
	}, sdk.Writer[RollbackInput, RollbackOutput, rollbackPrivate]{
		// No lock of the runner's: to find out its name, the filesystem would have to be mounted before the guards have been asked.
		// Apply takes the lock on names.
		Plan: func(ctx context.Context, c *sdk.Call, in RollbackInput) (rollbackPlan, error) {
			return planRollback(ctx, m, c, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in RollbackInput, private rollbackPrivate) (RollbackOutput, error) {
			return applyRollback(ctx, m, c, in, private)
		},
	})
}
