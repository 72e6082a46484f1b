package subvolume

import (
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// present is where the subvolumes are now, whatever earlier steps will make of them.
type present struct {
	at   map[string]kernel.UUID
	path map[kernel.UUID]string
}

// remember notes where each subvolume is, before anything is laid over.
func (m *machine) remember() {
	if !m.overlaid {
		m.overlaid, m.files = true, map[string]Shape{}
		for i := range m.subvolumes {
			m.subvolumes[i].was = m.subvolumes[i].Path
		}
	}
	m.present = present{}
}

// lookUp makes the index of where the subvolumes are now: few plans ask for it.
func (m *machine) lookUp() {
	m.present = present{at: make(map[string]kernel.UUID, len(m.subvolumes)), path: make(map[kernel.UUID]string, len(m.subvolumes))}
	for _, all := range [][]subvolume{m.subvolumes, m.removed} {
		for _, s := range all {
			if !s.planned {
				m.present.at[s.was] = s.UUID
				m.present.path[s.UUID] = s.was
			}
		}
	}
}

// onDisk is where that is now which will be at a path: somewhere else if an earlier step renames what it is in, and in the
// source if it takes a snapshot. It is false for what is in a subvolume that is not made yet. Whether there is anything is not
// said.
func (m *machine) onDisk(p string) (now string, ok bool) {
	if !m.overlaid {
		return p, true
	}
	if m.present.at == nil {
		m.lookUp()
	}
	var owner kernel.UUID // the zero UUID is that of the top level
	now = p
	if s, in := m.around(p); in {
		owner = s.UUID
		if s.planned {
			owner = s.ParentUUID
		}
		was, known := m.present.path[owner]
		if !known || owner.IsZero() {
			return "", false
		}
		now = was + p[len(s.Path):]
	}
	// What is at that place now must be in the same subvolume, or another one is still in the way.
	for dir := now; dir != ""; dir = volume.ParentOf(dir) {
		if id, is := m.present.at[dir]; is {
			return now, id == owner
		}
	}
	return now, owner.IsZero()
}

// around finds the innermost subvolume that a path lies in, or that is at it; none is the top level.
func (m *machine) around(p string) (subvolume, bool) {
	for ; p != ""; p = volume.ParentOf(p) {
		if s, ok := m.at(p); ok {
			return s, true
		}
	}
	return subvolume{}, false
}
