// Package boot has the actions of the btrfs plugin that give a machine a clean root at each boot: exchange the root for a
// clean one and archive it, confirm that a boot went well, tell which archives have had their day, and steer the next boot.
//
// It deletes no subvolume. What it takes away from its place goes into the archive, whole, by one atomic exchange of names;
// what may be deleted later is a list for btrfs.delete_tree. It reads no content but that of its own records and of a few small
// files, so that its work does not grow with what lies in the root or in the archive. It starts no program.
//
// Words:
//
//   - Place: a path from the filesystem's top level at which a subvolume is mounted at boot, the root's first of all.
//   - Clean: a writable snapshot of the blank, or an empty subvolume.
//   - Blank: the subvolume that clean roots are snapshots of.
//   - Archive: the folder that the old ones go into; also one of those.
//   - Intent: what a rollback has set out to do, on disk before anything is done, until all of it is done.
//   - Abandoned: a clean one that was made and never came to its place, because the rollback was cut off. It stays in the archive.
//   - Adopted: an archive that another tool has put away, and that there is a record of now.
//   - Confirmed: of a boot, that the machine came up well; of a root, that such a boot ran from it.
//   - Trip: a guard has found a reason to leave everything as it is.
//
// Each record is in .coppice/boot on the filesystem: state.json with the intent, archives/UUID.json for each archive, and
// requests to the next boot.
package boot

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Actions of this package.
func Actions(h volume.Host) []sdk.Action { return actions(live(h)) }

func actions(m machine) []sdk.Action {
	return []sdk.Action{rollbackAction(m), statusAction(m), confirmAction(m), expiredAction(m), tidyAction(m),
		requestAction(m), diffAction(m), rebaseAction(m), adoptAction(m)}
}
