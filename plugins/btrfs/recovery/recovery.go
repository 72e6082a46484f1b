// Package recovery has the actions of the btrfs plugin that get something back: find which snapshots have a file, tell what
// has changed since one, copy a file or folder out of it, and put a whole one in the place of a subvolume.
//
// It deletes no subvolume, and no file but one that it was told to replace. It follows no symbolic link, neither in a
// snapshot nor where it writes: whoever may write there could point a link anywhere.
//
// Words:
//
//   - Place: where something is, as a path from the filesystem's top level.
//   - Relative: of a subvolume, what may hold earlier states of it: its snapshots, and subvolumes that were made from the same one.
//   - Version: one state of a file or folder. Snapshots that have it unchanged share one.
//   - Archive: the folder into which a subvolume goes that another one takes the place of.
package recovery

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Actions of this package.
func Actions(h volume.Host) []sdk.Action {
	return []sdk.Action{findAction(h), diffAction(h), restoreAction(h), replaceAction(h)}
}
