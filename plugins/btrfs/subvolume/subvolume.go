// Package subvolume has the actions of the btrfs plugin on subvolumes and snapshots.
//
// It deletes nothing but snapshots that it took itself, and those only by UUID, after having looked at them again under
// the filesystem's lock.
//
// Each action is one file that puts together what the others have: schema.go has the inputs and outputs; observe*.go
// reads the machine into one value; overlay.go lays the changes of earlier steps over it; plan_*.go decides and is pure;
// apply_*.go writes.
//
// The actions of other packages see the machine through a View: view*.go. What their changes say, so that later steps of a preview
// understand them, is in properties.go and attributes.go.
package subvolume

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Actions of this package.
func Actions(h volume.Host) []sdk.Action {
	return []sdk.Action{listAction(h), createAction(h), snapshotAction(h), pruneAction(h), deleteAction(h),
		pinAction(h), unpinAction(h), adoptAction(h)}
}
