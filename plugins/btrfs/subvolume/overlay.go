package subvolume

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
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
	paths := make(map[string]int, len(m.subvolumes)+len(prior)) // indexes
	for i, s := range m.subvolumes {
		paths[s.Path] = i
	}
	var ids map[string]int // the same by ID, made when it is needed
	gone := map[int]bool{}
	changed := false
	for _, c := range prior {
		if c.Resource.Type != volume.ResourceType || c.Resource.Scope != m.uuid {
			continue
		}
		changed = true
		switch c.Kind {
		case sdk.Create:
			if _, taken := paths[c.Resource.Name]; !taken {
				s := plannedSubvolume(c)
				paths[c.Resource.Name] = len(m.subvolumes)
				m.subvolumes = append(m.subvolumes, s)
				m.planDirs(s)
			}
		case sdk.Update:
			m.overlayHolds(c)
			m.overlayAdoption(c)
			m.overlayMove(c, paths)
		case sdk.Delete:
			i, there := paths[c.Resource.Name]
			there = there && m.subvolumes[i].planned
			if c.Resource.ID != "" {
				if ids == nil {
					ids = m.ids()
				}
				i, there = ids[c.Resource.ID]
			}
			if there && !gone[i] {
				gone[i] = true
				if paths[m.subvolumes[i].Path] == i {
					delete(paths, m.subvolumes[i].Path)
				}
			}
		}
	}
	if len(gone) > 0 {
		left := m.subvolumes[:0:0]
		for i, s := range m.subvolumes {
			if !gone[i] {
				left = append(left, s)
			}
		}
		m.subvolumes = left
	}
	if changed {
		m.settle()
	}
}

// ids are the indexes of the subvolumes that exist, by their UUIDs.
func (m *machine) ids() map[string]int {
	all := make(map[string]int, len(m.subvolumes))
	for i, s := range m.subvolumes {
		if !s.planned {
			all[s.id()] = i
		}
	}
	return all
}

// forget leaves out what coppice took on this machine: for a simulation that begins without it.
func (m *machine) forget() {
	m.subvolumes = slices.DeleteFunc(m.subvolumes, func(s subvolume) bool { return s.managed() })
	m.settle()
}

// attributesRead are the last ones that were read: those of a simulation are asked for again and again.
var attributesRead struct {
	sync.Mutex
	known map[string]attributes
}

// readAttributes reads an After. Of another plugin's nothing is known.
func readAttributes(after json.RawMessage) attributes {
	const most = 20_000
	attributesRead.Lock()
	defer attributesRead.Unlock()
	a, known := attributesRead.known[string(after)]
	if known {
		return a
	}
	if json.Unmarshal(after, &a) != nil {
		a = attributes{}
	}
	if len(attributesRead.known) >= most || attributesRead.known == nil {
		attributesRead.known = map[string]attributes{}
	}
	attributesRead.known[string(after)] = a
	return a
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
	a := readAttributes(c.After)
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

// movedAttribute is the part of a change that gives a subvolume another path.
type movedAttribute struct {
	Path string `json:"path"`
}

// Moved is the Before or After of a change that moves a subvolume.
func Moved(path string) json.RawMessage {
	data, err := json.Marshal(movedAttribute{path})
	if err != nil {
		panic(err) // a string
	}
	return data
}

// overlayMove moves a subvolume, and all that lie in it, as an earlier step would. paths are the indexes of those that are
// not gone.
func (m *machine) overlayMove(c sdk.Change, paths map[string]int) {
	var to movedAttribute
	if json.Unmarshal(c.After, &to) != nil || to.Path == "" {
		return
	}
	moved := map[string]int{}
	for path, i := range paths {
		s := m.subvolumes[i]
		switch {
		case s.id() == c.Resource.ID && !s.planned:
			moved[to.Path] = i
		case volume.Inside(c.Resource.Name, path):
			moved[to.Path+path[len(c.Resource.Name):]] = i
		default:
			continue
		}
		delete(paths, path)
	}
	for path, i := range moved {
		m.subvolumes[i].Path = path
		paths[path] = i
	}
}
