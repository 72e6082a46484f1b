// Package upkeep has the actions of the btrfs plugin that look after a filesystem as a whole.
package upkeep

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Actions of this package.
func Actions(h volume.Host) []sdk.Action {
	return []sdk.Action{
		usageAction(h), scrubAction(h), balanceAction(h), trimAction(h), defragmentAction(h), deviceErrorsAction(h), syncAction(h),
	}
}
