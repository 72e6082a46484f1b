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

// attributes is the After of a change that creates a subvolume, and the Before of one that deletes it.
type attributes struct {
	Source     string    `json:"source,omitempty"` // of a snapshot
	ParentUUID string    `json:"parent_uuid,omitempty"`
	ReadOnly   bool      `json:"read_only"`
	Managed    bool      `json:"managed"`
	Created    time.Time `json:"created"`
	Shape
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
// create is there as planned, what they delete is gone, what they update is as they leave it. Changes of other filesystems
// and resources mean nothing here.
func (m *machine) overlay(prior []sdk.Change) {
	if len(prior) == 0 {
		return
	}
	m.remember()
	changed := false
	for _, c := range prior {
		if c.Resource.Scope != m.uuid {
			continue
		}
		switch c.Resource.Type {
		case volume.ResourceType:
			m.lay(c)
			changed = true
		case volume.FilesystemType:
			m.layFilesystem(c)
		case FileType:
			m.layFile(c)
		}
	}
	if changed {
		m.settle()
	}
}

// lay lays one change of a subvolume.
func (m *machine) lay(c sdk.Change) {
	meant := func(s subvolume) bool {
		return c.Resource.ID != "" && s.id() == c.Resource.ID || c.Resource.ID == "" && s.planned && s.Path == c.Resource.Name
	}
	switch c.Kind {
	case sdk.Create:
		taken := func(s subvolume) bool { return s.Path == c.Resource.Name }
		if !slices.ContainsFunc(m.subvolumes, taken) {
			s := plannedSubvolume(c)
			m.inherit(&s)
			m.subvolumes = append(m.subvolumes, s)
		}
	case sdk.Delete:
		m.subvolumes = slices.DeleteFunc(m.subvolumes, meant)
	case sdk.Update:
		i := slices.IndexFunc(m.subvolumes, meant)
		var to Properties
		if i < 0 || json.Unmarshal(c.After, &to) != nil {
			return
		}
		s := &m.subvolumes[i]
		if to.ReadOnly != nil {
			s.ReadOnly = *to.ReadOnly
		}
		s.shape = s.shape.with(to.Shape)
		if to.Path != nil {
			m.move(s.Path, *to.Path)
			s.ParentID = m.parentOf(*to.Path).ID
		}
	}
}

// parentOf finds the subvolume that one at a path lies in; it has the ID of the top level, or 0 if it is planned.
func (m *machine) parentOf(p string) subvolume {
	parent := subvolume{Subvolume: kernel.Subvolume{ID: kernel.TopLevelID}, shape: m.files["/"]}
	for _, s := range m.subvolumes {
		if volume.Inside(s.Path, p) && len(s.Path) > len(parent.Path) {
			parent = s
		}
	}
	return parent
}

// inherit gives to a subvolume that is planned what the kernel gives to a new one, as far as earlier steps have to do with it: a
// snapshot has everything from its source, and its limits too; an empty one has the compression of the one around it.
func (m *machine) inherit(s *subvolume) {
	parent := m.parentOf(s.Path)
	s.ParentID = parent.ID
	if s.ParentUUID.IsZero() && s.source == "" {
		if s.shape.Compression == "" {
			s.shape.Compression = kernel.InheritedCompression(parent.shape.Compression)
		}
		s.heir.folder = m.present.path[parent.UUID]
		if parent.planned {
			s.heir.folder = parent.heir.folder
		}
		return
	}
	for _, source := range m.subvolumes {
		if source.planned && source.Path == s.source || !source.planned && source.UUID == s.ParentUUID {
			s.shape = source.shape.with(s.shape)
			s.heir = source.heir
			if !source.planned {
				s.heir.limits = source.ID
			}
			return
		}
	}
}

// move gives a subvolume, and all that is in it, another path.
func (m *machine) move(from, to string) {
	moved := func(p string) string {
		if p == from || volume.Inside(from, p) {
			return to + p[len(from):]
		}
		return p
	}
	for i := range m.subvolumes {
		m.subvolumes[i].Path = moved(m.subvolumes[i].Path)
	}
	m.defaultPath = moved(m.defaultPath)
	files := make(map[string]Shape, len(m.files))
	for p, shape := range m.files {
		files[moved(p)] = shape
	}
	m.files = files
}

// layFile lays one change of a file or directory.
func (m *machine) layFile(c sdk.Change) {
	var to Shape
	if c.Kind == sdk.Update && json.Unmarshal(c.After, &to) == nil {
		m.files[c.Resource.Name] = m.files[c.Resource.Name].with(to)
	}
}

// layFilesystem lays one change of what the filesystem has once.
func (m *machine) layFilesystem(c sdk.Change) {
	var to FilesystemProperties
	if c.Kind != sdk.Update || json.Unmarshal(c.After, &to) != nil {
		return
	}
	if to.Quotas != "" {
		m.quotas = to.Quotas
		m.unlimit()
	}
	if to.Default == nil {
		return
	}
	id, err := kernel.ParseUUID(to.DefaultUUID)
	m.defaultID, m.defaultPath = 0, *to.Default
	for _, s := range m.subvolumes {
		if err == nil && s.UUID == id {
			m.defaultID, m.defaultPath = s.ID, ""
		}
	}
	if *to.Default == "/" {
		m.defaultID, m.defaultPath = kernel.TopLevelID, ""
	}
}

// unlimit takes all limits away, as a change of the mode does: it begins or ends with quotas that are off.
func (m *machine) unlimit() {
	for i := range m.subvolumes {
		m.subvolumes[i].shape.MaxReferenced, m.subvolumes[i].shape.MaxExclusive = "", ""
	}
}

// plannedSubvolume reads what a change says of the subvolume that it would create.
func plannedSubvolume(c sdk.Change) subvolume {
	var a attributes
	if json.Unmarshal(c.After, &a) != nil {
		a = attributes{} // of another plugin: nothing is known but that it is there
	}
	s := subvolume{planned: true, source: a.Source, unmanaged: "it is no snapshot of coppice", shape: a.Shape}
	s.Path = c.Resource.Name
	s.ReadOnly = a.ReadOnly
	s.OTime = a.Created.UTC()
	s.OTransID = plannedSeq
	s.ParentUUID, _ = kernel.ParseUUID(a.ParentUUID)
	if a.Managed && a.Source != "" {
		s.unmanaged = ""
	}
	return s
}
