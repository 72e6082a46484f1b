// Package btrfs is the btrfs plugin: it reads a filesystem, makes subvolumes and snapshots, gives them their places and
// properties, copies snapshots to other places, deletes snapshots that nothing keeps any more, gets files and whole
// subvolumes back out of them, and looks after the filesystem as a whole.
//
// By itself it deletes nothing but snapshots that it took or received; other subvolumes only by the one action that is for nothing else
// (delete_tree). All go only by UUID, after having been looked at again under the filesystem's lock. It never follows a
// symbolic link inside the filesystem. Only the actions that copy snapshots start programs; package transfer says which.
//
// Words:
//
//   - Path: from the filesystem's top level (subvolume 5), without a leading "/", wherever it is mounted.
//   - Source: a subvolume that is snapshotted, called by its path. It may be replaced by another one of the same path.
//   - Folder: the directory that holds the snapshots of one source, <into>/<path of the source, "/" as "-">.
//   - Stamp: the name of a snapshot in its folder, the run's instant in UTC, such as 20261024T060000.000Z.
//   - Catalogue: the records in .coppice/snapshots on the filesystem itself of which snapshots were taken or received, and from what.
//   - Managed: a snapshot that btrfs.prune may expire: read-only, in the folder of its source, with a stamp that agrees
//     with its creation time (or that of the snapshot it is a copy of, if it was received), in the catalogue. Everything else
//     in a folder is foreign and left alone.
//   - Adopted: made by somebody else and taken into the catalogue as it is. It is managed whatever its name.
//   - Hold: a file in .coppice/holds named by the UUID of a snapshot that must stay; the snapshot is pinned.
//   - Hold switch: a file or kernel parameter that stops every deletion.
//   - Upkeep: what is done to a filesystem as a whole. Its records are in .coppice/upkeep on the filesystem itself.
//   - Due: the last time that something came to its end, by that record, is longer ago than asked for.
//   - Planned: not there yet; an earlier step of a preview would make it.
//
// The actions are in subpackages by what they are about. In each of them the files have the same names: schema.go for inputs
// and outputs, observe*.go for what is read, plan*.go for decisions, which are pure, and apply*.go for what is written.
package btrfs

import (
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/layout"
	"github.com/hbohlen/coppice/plugins/btrfs/recovery"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/transfer"
	"github.com/hbohlen/coppice/plugins/btrfs/upkeep"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Version of the plugin.
const Version = "0.1.0"

// New returns the plugin.
func New() *sdk.Plugin {
	h := volume.Live()
	return &sdk.Plugin{
		Name:    "btrfs",
		Version: Version,
		Summary: "subvolumes, snapshots and upkeep of btrfs filesystems",
		Locks:   h.Locks,
		Actions: slices.Concat(upkeep.Actions(h), subvolume.Actions(h), layout.Actions(h), recovery.Actions(h), transfer.Actions(h), boot.Actions(h)),
	}
}
