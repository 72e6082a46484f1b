package subvolume

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"sync"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Removed is the After of a change that runs and removes a subvolume that never was anything whole: no deletion, but later
// steps do not find it.
var Removed = json.RawMessage(`{"removed":true}`)

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
	l := layer{m: m, gone: map[int]bool{}}
	l.index()
	changed := false
	for _, c := range prior {
		if c.Resource.Scope != m.uuid {
			continue
		}
		switch c.Resource.Type {
		case volume.ResourceType:
			l.lay(c)
			changed = true
		case volume.FilesystemType:
			m.layFilesystem(c)
		case FileType:
			m.layFile(c)
		case HoldType:
			m.moveHold(c)
		}
	}
	l.sweep()
	if changed {
		m.settle()
	}
}

// renames reports whether earlier steps give a subvolume another path.
func renames(prior []sdk.Change) bool {
	return slices.ContainsFunc(prior, func(c sdk.Change) bool {
		var to Properties
		return c.Kind == sdk.Update && c.Resource.Type == volume.ResourceType && json.Unmarshal(c.After, &to) == nil && to.Path != nil
	})
}

// layer lays changes of subvolumes, thousands of which a simulation has. What is deleted stays in the list until the end.
type layer struct {
	m     *machine
	paths map[string]int // indexes, of what is not gone
	ids   map[string]int // the same by ID, of what exists; made when it is needed
	gone  map[int]bool
}

func (l *layer) index() {
	l.paths = make(map[string]int, len(l.m.subvolumes))
	for i, s := range l.m.subvolumes {
		if !l.gone[i] {
			l.paths[s.Path] = i
		}
	}
}

// withID finds one that exists.
func (l *layer) withID(id string) (int, bool) {
	if l.ids == nil {
		l.ids = make(map[string]int, len(l.m.subvolumes))
		for i, s := range l.m.subvolumes {
			if !s.planned {
				l.ids[s.id()] = i
			}
		}
	}
	i, there := l.ids[id]
	return i, there && !l.gone[i]
}

// meant finds the subvolume that a change is about: by ID, or by path if it is planned.
func (l *layer) meant(r sdk.Resource) (int, bool) {
	if r.ID != "" {
		return l.withID(r.ID)
	}
	i, there := l.paths[r.Name]
	return i, there && l.m.subvolumes[i].planned
}

// lay lays one change of a subvolume.
func (l *layer) lay(c sdk.Change) {
	switch c.Kind {
	case sdk.Create:
		if _, taken := l.paths[c.Resource.Name]; taken {
			return
		}
		s := plannedSubvolume(c)
		l.inherit(&s)
		l.paths[s.Path] = len(l.m.subvolumes)
		l.m.subvolumes = append(l.m.subvolumes, s)
		l.m.planDirs(s)
	case sdk.Delete:
		l.remove(c.Resource)
	case sdk.Run:
		if bytes.Equal(c.After, Removed) {
			l.remove(c.Resource)
		}
	case sdk.Update:
		l.m.overlayHolds(c)
		l.m.overlayAdoption(c)
		i, there := l.meant(c.Resource)
		var to Properties
		if !there || json.Unmarshal(c.After, &to) != nil {
			return
		}
		s := &l.m.subvolumes[i]
		if to.ReadOnly != nil {
			s.ReadOnly = *to.ReadOnly
		}
		s.shape = s.shape.with(to.Shape)
		if to.Path != nil {
			l.m.move(s.Path, *to.Path)
			l.index()
			s.ParentID = l.parentOf(*to.Path).ID
		}
	}
}

// remove notes that a subvolume is gone.
func (l *layer) remove(r sdk.Resource) {
	i, there := l.meant(r)
	if !there {
		return
	}
	l.gone[i] = true
	if l.paths[l.m.subvolumes[i].Path] == i {
		delete(l.paths, l.m.subvolumes[i].Path)
	}
}

// sweep takes what is deleted out of the list.
func (l *layer) sweep() {
	if len(l.gone) == 0 {
		return
	}
	left := l.m.subvolumes[:0:0]
	for i, s := range l.m.subvolumes {
		if !l.gone[i] {
			left = append(left, s)
		} else if !s.planned {
			l.m.removed = append(l.m.removed, s)
		}
	}
	l.m.subvolumes = left
}

// parentOf finds the subvolume that one at a path lies in; it has the ID of the top level, or 0 if it is planned.
func (l *layer) parentOf(p string) subvolume {
	for dir := volume.ParentOf(p); dir != ""; dir = volume.ParentOf(dir) {
		if i, ok := l.paths[dir]; ok {
			return l.m.subvolumes[i]
		}
	}
	return subvolume{Subvolume: kernel.Subvolume{ID: kernel.TopLevelID}, shape: l.m.files["/"]}
}

// inherit gives to a subvolume that is planned what the kernel gives to a new one, as far as earlier steps have to do with it: a
// snapshot has everything from its source, and its limits too; an empty one has the compression of the one around it.
func (l *layer) inherit(s *subvolume) {
	parent := l.parentOf(s.Path)
	s.ParentID = parent.ID
	if s.ParentUUID.IsZero() && s.source == "" {
		if s.shape.Compression == "" {
			s.shape.Compression = kernel.InheritedCompression(parent.shape.Compression)
		}
		s.heir.folder = parent.was
		if parent.planned {
			s.heir.folder = parent.heir.folder
		}
		return
	}
	i, there := l.paths[s.source] // one that is planned
	if !s.ParentUUID.IsZero() {
		i, there = l.withID(s.ParentUUID.String())
	}
	if !there {
		return
	}
	source := l.m.subvolumes[i]
	s.shape = source.shape.with(s.shape)
	s.heir = source.heir
	if !source.planned {
		s.heir.limits = source.ID
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
	dirs := make(map[string]bool, len(m.dirs))
	for p := range m.dirs {
		dirs[moved(p)] = true
	}
	m.dirs = dirs
	pinned := make(map[string]volume.Holds, len(m.pinned))
	for p, holds := range m.pinned {
		pinned[moved(p)] = holds
	}
	m.pinned = pinned
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
	m.defaultID, m.defaultPath = 0, *to.Default
	if *to.Default == "/" {
		m.defaultID, m.defaultPath = kernel.TopLevelID, ""
	}
	id, err := kernel.ParseUUID(to.DefaultUUID)
	if err != nil {
		return
	}
	for _, s := range m.subvolumes {
		if !s.planned && s.UUID == id {
			m.defaultID, m.defaultPath = s.ID, ""
		}
	}
}

// unlimit takes all limits away, as a change of the mode does: it begins or ends with quotas that are off.
func (m *machine) unlimit() {
	for i := range m.subvolumes {
		m.subvolumes[i].shape.MaxReferenced, m.subvolumes[i].shape.MaxExclusive = "", ""
	}
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
	s := subvolume{planned: true, source: a.Source, unmanaged: unrecorded, origin: a.Origin, shape: a.Shape}
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
