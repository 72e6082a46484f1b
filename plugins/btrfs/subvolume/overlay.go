package subvolume

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// attributes is the After of a change that creates a subvolume.
type attributes struct {
	Source     string    `json:"source,omitempty"` // of a snapshot
	ParentUUID string    `json:"parent_uuid,omitempty"`
	ReadOnly   bool      `json:"read_only"`
	Managed    bool      `json:"managed"`
	Created    time.Time `json:"created"`
}

func (a attributes) encode() json.RawMessage {
	data, err := json.Marshal(a)
	if err != nil {
		panic(err) // the year of Created is in the range of RFC 3339, or nothing was planned
	}
	return data
}

// plannedSeq is the transaction of what is not made yet: later than all others.
const plannedSeq = math.MaxUint64

// overlay lays the changes that earlier steps have planned, and nobody has made yet, over what was observed: what they
// create is there as planned, what they delete is gone. Changes of other filesystems and resources mean nothing here.
func (m *machine) overlay(prior []sdk.Change) {
	changed := false
	for _, c := range prior {
		if c.Resource.Type == HoldType && c.Resource.Scope == m.uuid {
			m.moveHold(c)
			continue
		}
		if c.Resource.Type != volume.ResourceType || c.Resource.Scope != m.uuid {
			continue
		}
		switch c.Kind {
		case sdk.Create:
			taken := func(s subvolume) bool { return s.Path == c.Resource.Name }
			if !slices.ContainsFunc(m.subvolumes, taken) {
				s := plannedSubvolume(c)
				m.subvolumes = append(m.subvolumes, s)
				m.planDirs(s)
			}
		case sdk.Delete:
			m.subvolumes = slices.DeleteFunc(m.subvolumes, func(s subvolume) bool {
				return c.Resource.ID != "" && s.id() == c.Resource.ID || c.Resource.ID == "" && s.planned && s.Path == c.Resource.Name
			})
		}
		changed = true
	}
	if changed {
		m.settle()
	}
}

// planDirs notes the directories that come with a planned snapshot. They stay when a later step deletes it.
func (m *machine) planDirs(s subvolume) {
	if s.source == "" {
		return // only snapshots bring their folders with them
	}
	if m.dirs == nil {
		m.dirs = map[string]bool{}
	}
	for dir := volume.ParentOf(s.Path); dir != ""; dir = volume.ParentOf(dir) {
		m.dirs[dir] = true
	}
}

// plannedSubvolume reads what a change says of the subvolume that it would create.
func plannedSubvolume(c sdk.Change) subvolume {
	var a attributes
	if json.Unmarshal(c.After, &a) != nil {
		a = attributes{} // of another plugin: nothing is known but that it is there
	}
	s := subvolume{planned: true, source: a.Source, unmanaged: unrecorded}
	s.Path = c.Resource.Name
	s.ReadOnly = a.ReadOnly
	s.OTime = a.Created.UTC()
	s.OTransID = plannedSeq
	s.ParentUUID, _ = kernel.ParseUUID(a.ParentUUID)
	switch {
	case a.Source == "":
	case a.Managed:
		s.unmanaged = ""
	case !a.ReadOnly:
		s.unmanaged = writable
	}
	return s
}
