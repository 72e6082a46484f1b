package subvolume

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// machine is everything that plans look at, observed once a call and with the changes of earlier steps laid over it.
// Plans are functions of it.
type machine struct {
	uuid, label string
	readOnly    bool // the whole filesystem

	subvolumes []subvolume             // all but the top level, sorted by path
	defaultID  uint64                  // mounted when no subvolume is asked for; 0 for one that is planned
	mounted    map[uint64]string       // where a subvolume is mounted, by ID
	state      state                   // what .coppice says
	receiving  map[string]bool         // paths of those that somebody receives into at this moment
	switches   []string                // hold switches that are on, in words
	unsynced   string                  // why the system's clock can't be believed; "" if it can
	now        time.Time               // what the system's clock said
	virtual    sdk.Virtual             // of a simulation
	space      space                   // how full the filesystem is, where a plan asks for it
	sources    []source                // of the inputs, in their order
	things     map[string]thing        // what is at the paths that a plan asks for
	folders    map[string]listing      // content of the folders that a plan asks for
	pinned     map[string]volume.Holds // pins that earlier steps put on planned subvolumes, by path
	dirs       map[string]bool         // directories that earlier steps have planned, for their snapshots
	byPath     map[string]int          // index in subvolumes
	byUUID     map[kernel.UUID]int     // index in subvolumes
	parents    map[uint64]bool         // IDs of the subvolumes that others lie in

	// What earlier steps will have made of the rest.
	overlaid    bool             // there are such steps
	present     present          // where the subvolumes are now; made when it is asked for
	removed     []subvolume      // what they delete of what exists
	defaultPath string           // of the default subvolume if it is planned
	files       map[string]Shape // of files and directories, by path
	quotas      string           // the mode; "" when no step changes it
}

// subvolume is one that exists or is planned.
type subvolume struct {
	kernel.Subvolume
	planned   bool      // no UUID, no ID, no transaction yet
	source    string    // of a snapshot that coppice took
	sent      time.Time // when it was taken, of one that was received: its creation time is that of its coming here
	origin    string    // of a copy of a snapshot: the UUID of that, or its path if it is planned
	adopted   bool      // it was made by somebody else, and taken into the catalogue
	untrusted bool      // it was taken while the clock could not be believed, so its creation time proves nothing
	unmanaged string    // why it is not managed, in words; "" if it is
	shape     Shape     // what earlier steps will have given it
	heir      heir      // of one that is planned
	was       string    // of one that exists: where it is now, when earlier steps have planned something
}

// heir is where one that is planned gets from what its shape does not say.
type heir struct {
	limits uint64 // ID of the source of a snapshot, whose limits it gets
	folder string // where that subvolume is now whose compression an empty one gets; "" for the top level
}

// managed reports whether it is a snapshot of ours that may be expired.
func (s subvolume) managed() bool { return s.unmanaged == "" }

// belongs reports whether a managed snapshot is where those of its source are in a folder of snapshots: in the folder of
// its source, or anywhere in it if it was adopted.
func (s subvolume) belongs(into string) bool {
	return volume.ParentOf(s.Path) == into+"/"+FolderOf(s.source) || s.adopted && volume.Inside(into, s.Path)
}

// key identifies it: by UUID, or by path if it is planned.
func (s subvolume) key() string {
	if s.planned {
		return s.Path
	}
	return s.UUID.String()
}

// id is its UUID for outputs and resources, "" if it is planned.
func (s subvolume) id() string {
	if s.planned {
		return ""
	}
	return s.UUID.String()
}

// state is what the filesystem's .coppice says, as far as it was read.
type state struct {
	schema    error // it can't be used at all: another version, or not safe; nil also if there is none
	catalogue catalogue
	corrupt   []error          // records that can't be read
	broken    map[string]error // the same by the name of the file
	newest    time.Time        // instant of the newest record with a trusted clock, but one that was asked for
	holds     map[kernel.UUID]volume.Holds
	unheld    []error // holds that can't be read
}

// source is an input that names a subvolume.
type source struct {
	given   string
	path    string // from the top level; for a missing one as far as it is known
	missing bool   // an absolute path that leads nowhere
	problem *sdk.Error
}

// thing is what is at a path.
type thing struct {
	found bool
	kind  kernel.EntryType
	err   error
}

// listing is the content of a folder, without the subvolumes that the machine knows.
type listing struct {
	found   bool
	entries []kernel.Entry
	snapper bool // a snapshot of snapper is in it
	err     error
}

// settle works out what follows from the observed facts. It is called again whenever they have changed.
func (m *machine) settle() {
	m.subvolumes = sortedByPath(m.subvolumes)
	m.byPath = make(map[string]int, len(m.subvolumes))
	m.byUUID = make(map[kernel.UUID]int, len(m.subvolumes))
	m.parents = map[uint64]bool{}
	for i := range m.subvolumes {
		s := &m.subvolumes[i]
		m.byPath[s.Path] = i
		if !s.planned {
			m.byUUID[s.UUID] = i
			s.source, s.unmanaged = m.judge(s.Subvolume)
			if known, ok := m.state.catalogue.find(s.Subvolume); ok {
				s.untrusted, s.adopted = known.untrusted, known.Adopted
				s.sent = known.sent()
				if !known.Received.IsZero() {
					s.origin = known.Received.String()
				}
			}
		}
		if s.ParentID != 0 {
			m.parents[s.ParentID] = true
		}
	}
}

// Why subvolumes are not managed, of those too that are only planned.
const (
	unrecorded = "coppice has no record of having taken it"
	writable   = "it is writable"
)

// sortedByPath moves each subvolume once, as they are large.
func sortedByPath(all []subvolume) []subvolume {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(all[i].Path, all[j].Path) })
	sorted := make([]subvolume, len(all))
	for to, from := range order {
		sorted[to] = all[from]
	}
	return sorted
}

// judge finds the source of a snapshot that coppice took, and why it is not managed.
func (m *machine) judge(s kernel.Subvolume) (source, unmanaged string) {
	known, ok := m.state.catalogue.find(s)
	stamp, strict := ParseStamp(path.Base(s.Path))
	switch {
	case !ok:
		return "", unrecorded
	case !s.ReadOnly:
		return known.Source, writable
	case known.Writable:
		return known.Source, "it was taken to be written to"
	case known.Adopted && s.Path != known.Path:
		return known.Source, fmt.Sprintf("it was adopted at %q", known.Path)
	case known.Adopted: // whatever its name, its creation time is the truth
		return known.Source, ""
	case !strict:
		return known.Source, "its name is not a stamp such as 20261024T060000.000Z"
	case path.Base(volume.ParentOf(s.Path)) != FolderOf(known.Source):
		return known.Source, fmt.Sprintf("it is not in a folder %q", FolderOf(known.Source))
	case !known.Received.IsZero() && s.ReceivedUUID != known.Received:
		return known.Source, "it is not the copy that was received"
	case !known.Received.IsZero() && known.stamp != s.Name():
		return known.Source, "its name is not that of the snapshot it is a copy of, " + known.stamp
	case known.Received.IsZero() && !agrees(stamp, s.OTime):
		return known.Source, "its name does not agree with its creation time, " + volume.Moment(s.OTime)
	}
	return known.Source, ""
}

// at finds the subvolume at a path.
func (m *machine) at(path string) (subvolume, bool) {
	i, ok := m.byPath[path]
	if !ok {
		return subvolume{}, false
	}
	return m.subvolumes[i], true
}

func (m *machine) withUUID(id kernel.UUID) (subvolume, bool) {
	i, ok := m.byUUID[id]
	if !ok {
		return subvolume{}, false
	}
	return m.subvolumes[i], true
}

// other finds what is at a path if it is not a subvolume. A subvolume that the machine does not list is one that an
// earlier step deletes, or that came between two looks.
func (m *machine) other(path string) (kernel.EntryType, bool) {
	t := m.things[path]
	if _, sub := m.at(path); !sub && !t.found && m.dirs[path] {
		return kernel.EntryDir, true
	}
	return t.kind, t.found && t.kind != kernel.EntrySubvolume
}

// folder is the content of a folder, which an earlier step may have planned.
func (m *machine) folder(path string) listing {
	l := m.folders[path]
	l.found = l.found || m.dirs[path]
	return l
}

// snapshotsOf returns the managed snapshots of a source in a folder of snapshots, sorted by path.
func (m *machine) snapshotsOf(source, into string) []subvolume {
	var all []subvolume
	for _, s := range m.subvolumes {
		if s.managed() && s.source == source && s.belongs(into) {
			all = append(all, s)
		}
	}
	return all
}

// sealed returns the read-only subvolume that a path lies in.
func (m *machine) sealed(p string) (subvolume, bool) {
	for dir := volume.ParentOf(p); dir != ""; dir = volume.ParentOf(dir) {
		if s, ok := m.at(dir); ok {
			return s, s.ReadOnly
		}
	}
	return subvolume{}, false
}

// mayTouch says why the filesystem's records can't be used, so that nothing may be done on their ground.
func (m *machine) mayTouch() error { return m.state.schema }

// mayDelete says why nothing at all may be deleted. A hold switch is no error and not asked for here.
func (m *machine) mayDelete() error {
	if err := m.mayTouch(); err != nil {
		return err
	}
	for _, broken := range []struct {
		what, advice string
		errs         []error
	}{
		{"a hold can't be read, so nothing is deleted", "repair the file or, if it holds nothing back, remove it", m.state.unheld},
		{"a record of the catalogue can't be read, so nothing is deleted", "repair the file; if it is removed, the snapshots that it lists become foreign and stay for ever", m.state.corrupt},
	} {
		if len(broken.errs) > 0 {
			return volume.Refuse(broken.advice, "%s: %v", broken.what, broken.errs[0])
		}
	}
	return nil
}

// held is the reason that every snapshot stays, if a hold switch is on.
func (m *machine) held() string {
	if len(m.switches) == 0 {
		return ""
	}
	return "deleting is switched off by " + strings.Join(m.switches, " and ")
}

// resource is what a change or a kept subvolume is about.
func (m *machine) resource(path, id string) sdk.Resource {
	return sdk.Resource{Type: volume.ResourceType, Scope: m.uuid, Name: path, ID: id}
}

// name is the filesystem in messages.
func (m *machine) name() string {
	if m.label != "" {
		return fmt.Sprintf("%s (%s)", m.uuid, m.label)
	}
	return m.uuid
}
