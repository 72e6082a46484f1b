package subvolume

import (
	"encoding/json"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// HoldType is the type of resource of a hold. Its scope is the filesystem's UUID, its name the path of the snapshot, its ID the holder.
const HoldType = "btrfs.hold"

// HeldSnapshot is Before and After of a change that moves a hold from one snapshot to another.
type HeldSnapshot struct {
	Path     string      `json:"path"`
	Snapshot kernel.UUID `json:"snapshot,omitzero"` // its UUID; zero: planned
	Hold     volume.Hold `json:"hold"`
}

// moveHold lays a change of a hold over the holds that were observed.
func (m *machine) moveHold(c sdk.Change) {
	if m.state.holds == nil { // they were not read: nobody asks for them
		return
	}
	var before, after HeldSnapshot
	if json.Unmarshal(c.Before, &before) == nil && !before.Snapshot.IsZero() {
		m.state.holds[before.Snapshot] = m.state.holds[before.Snapshot].Without(before.Hold.Who)
	}
	switch err := json.Unmarshal(c.After, &after); {
	case err != nil:
	case after.Snapshot.IsZero():
		if m.pinned == nil {
			m.pinned = map[string]volume.Holds{}
		}
		m.pinned[after.Path] = m.pinned[after.Path].With(after.Hold)
	default:
		m.state.holds[after.Snapshot] = m.state.holds[after.Snapshot].With(after.Hold)
	}
}
