// Package transfer has the actions of the btrfs plugin that copy snapshots to another place and back: send and receive.
//
// A transfer that is cut off at any point leaves nothing that looks complete: what arrives has a temporary name until it was
// verified. What is there already is known by UUID, never by name, and so is the parent of an incremental transfer.
//
// Programs. Streams are made and checked here, through the kernel. Three programs are started, with these arguments, by no
// shell, and end with the plugin at the latest:
//
//   - btrfs receive --chroot -m MOUNT FOLDER, in a mount namespace of its own where the filesystem's top level is MOUNT. The kernel
//     has no request that applies a stream.
//   - ssh [-F CONFIG] [-p PORT] -T -o BatchMode=yes -o … -- [USER@]HOST "coppice receive". The command on the other side is always the same text: what a
//     shell there could misread, such as paths, goes through the connection.
//   - coppice receive, by sshd on the machine that keeps the backups. It starts btrfs receive in turn.
//
// Words:
//
//   - Place: where copies are kept: a folder of another btrfs, a folder of stream files, or either of them on another machine.
//   - Origin: the UUID by which all copies of a snapshot know each other, see subvolume.Known.
//   - Copy: a whole, verified snapshot in a place.
//   - Common: the newest snapshot of a source that is also in the place. The next one is sent as changes to it.
//   - Remnant: what a transfer that was cut off has left. The next one removes it.
package transfer

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// observe looks at the subvolumes and the catalogue. Records that can't be used are an error.
func observe(ctx context.Context, h volume.Host, f *kernel.Filesystem, prior []sdk.Change) (*subvolume.View, error) {
	v, err := subvolume.Observe(ctx, h, f, subvolume.Look{Catalogue: true, Prior: prior})
	if err != nil {
		return nil, err
	}
	return v, v.AllRecorded()
}

// Actions of this package.
func Actions(h volume.Host) []sdk.Action {
	return []sdk.Action{sendAction(h), receiveAction(h)}
}
