package subvolume

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"unicode/utf8"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// look says what an action needs to know beyond the subvolumes.
type look struct {
	catalogue bool     // all records
	record    string   // or only one, by its file name
	newest    bool     // the newest record that was written with a trusted clock
	paths     []string // only the subvolumes at these paths; nil: all
	clock     bool     // whether the system's clock can be believed
	guards    bool     // default subvolume, mounts, holds, switches, clock
	planning  bool     // nothing is changed on the strength of this look alone: the mounts may be looked at meanwhile, not last
	prior     []sdk.Change
	virtual   sdk.Virtual
	space     bool // how full the filesystem is
}

// observe reads the machine. Things, folders and sources are read afterwards, when it is known which.
func observe(ctx context.Context, h volume.Host, f *kernel.Filesystem, l look) (*machine, error) {
	m := &machine{uuid: f.UUID().String(), virtual: l.virtual}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mounted := f.MountedSubvolumes
	switch {
	case l.virtual != sdk.NotVirtual:
		mounted = remembered(f)
	case l.guards && l.planning: // it reads about every process of the machine
		mounted = soon(mounted)
	}
	var err error
	if m.label, err = f.Label(); err != nil {
		return nil, volume.Explain("", err)
	}
	if m.readOnly, err = f.ReadOnly(); err != nil {
		return nil, volume.Explain("", err)
	}
	// The catalogue comes before the list: a snapshot that is made in between is in the list only, and then foreign.
	if m.state, err = readState(f, l); err != nil {
		return nil, volume.Explain("", err)
	}
	if l.paths != nil {
		err = m.observePaths(f, l.paths, l.planning)
	} else {
		err = m.observeSubvolumes(f)
	}
	if err != nil {
		return nil, err
	}
	if l.guards {
		if err := m.observeGuards(h, f, mounted); err != nil {
			return nil, err
		}
	}
	if l.clock {
		m.observeClock(h)
	}
	if l.space {
		if m.space, err = measure(f); err != nil {
			return nil, err
		}
	}
	if l.virtual == sdk.VirtualEmpty {
		m.forget()
	}
	m.overlay(l.prior)
	return m, nil
}

func (m *machine) observeSubvolumes(f *kernel.Filesystem) error {
	all, err := f.List()
	if err != nil {
		return volume.Explain("", err)
	}
	m.overlaid, m.removed = false, nil
	m.subvolumes = make([]subvolume, len(all))
	for i, s := range all {
		m.subvolumes[i].Subvolume = s
	}
	m.settle()
	return nil
}

// observePaths looks for subvolumes at paths. For a plan a path with a link in it, or that can't be one, leads to none:
// observeThings tells why.
func (m *machine) observePaths(f *kernel.Filesystem, paths []string, planning bool) error {
	for _, p := range paths {
		s, found, err := f.AtPath(p)
		switch {
		case planning && (errors.Is(err, kernel.ErrSymlink) || errors.Is(err, kernel.ErrInvalid)):
			continue
		case err != nil:
			return volume.Explain("", err)
		}
		if found {
			m.subvolumes = append(m.subvolumes, subvolume{Subvolume: s})
		}
	}
	m.settle()
	return nil
}

// soon begins something at once. The function that it returns waits for the result.
func soon[T any](do func() (T, error)) func() (T, error) {
	result := sync.OnceValues(do)
	go func() { _, _ = result() }()
	return result
}

// observeGuards reads what keeps a subvolume from being deleted. mounted is f.MountedSubvolumes, maybe begun before.
func (m *machine) observeGuards(h volume.Host, f *kernel.Filesystem, mounted func() (map[uint64]kernel.MountedAt, error)) error {
	var err error
	if m.defaultID, err = f.Default(); err != nil {
		return volume.Explain("", err)
	}
	found, err := mounted()
	if err != nil {
		return volume.Explain("", err)
	}
	m.mounted = make(map[uint64]string, len(found))
	for id, where := range found {
		m.mounted[id] = mountedAt(where)
	}
	if m.state.schema == nil { // else nothing is deleted anyway
		if m.receiving, err = volume.BeingReceived(f); err != nil {
			return volume.Explain("", err)
		}
	}
	m.state.holds, m.state.unheld = volume.ReadHolds(f)
	if m.state.holds == nil {
		m.state.holds = map[kernel.UUID]volume.Holds{}
	}
	m.switches = h.SwitchesOn(f)
	m.observeClock(h)
	return nil
}

// virtualMounts are the mounts by filesystem, as a simulation found them when it began: to look at those of all processes is what
// takes longest, and it looks a thousand times.
var virtualMounts sync.Map

// remembered is f.MountedSubvolumes, asked once.
func remembered(f *kernel.Filesystem) func() (map[uint64]kernel.MountedAt, error) {
	return func() (map[uint64]kernel.MountedAt, error) {
		if known, ok := virtualMounts.Load(f.UUID()); ok {
			return known.(map[uint64]kernel.MountedAt), nil
		}
		mounted, err := f.MountedSubvolumes()
		if err == nil {
			virtualMounts.Store(f.UUID(), mounted)
		}
		return mounted, err
	}
}

func (m *machine) observeClock(h volume.Host) {
	var err error
	if m.unsynced, err = h.Clock(); err != nil {
		m.unsynced = err.Error()
	}
	m.now = h.Now()
}

func mountedAt(where kernel.MountedAt) string {
	s := fmt.Sprintf("mounted at %q", where.Point)
	if where.PID > 1 {
		s += fmt.Sprintf(" (as process %d sees it)", where.PID)
	}
	if !where.Certain {
		s += ", or a subvolume of another filesystem is"
	}
	return s
}

// observeThings looks at single paths.
func (m *machine) observeThings(f *kernel.Filesystem, paths ...string) {
	if m.things == nil {
		m.things = map[string]thing{}
	}
	for _, p := range paths {
		if _, known := m.things[p]; !known {
			var t thing
			if now, is := m.onDisk(p); is {
				t.kind, t.found, t.err = f.Stat(now)
			}
			m.things[p] = t
		}
	}
}

// observeSources finds out which subvolumes the inputs of that name mean.
func observeSources(f *kernel.Filesystem, input string, given []sdk.Subvolume) []source {
	sources := make([]source, len(given))
	for i, g := range given {
		sources[i] = observeSource(f, volume.At(input, i), string(g))
	}
	return sources
}

func observeSource(f *kernel.Filesystem, input, given string) source {
	s := source{given: given}
	if !path.IsAbs(given) {
		if s.path, s.problem = volume.CleanPath(input, given); s.problem == nil && s.path == "" {
			s.problem = topLevelRefused(input, given)
		}
		return s
	}
	found, isRoot, err := f.SubvolumeAt(given)
	switch {
	case errors.Is(err, kernel.ErrNotFound):
		s.missing = true
		s.path = given
	case err != nil:
		var e *sdk.Error
		if errors.As(volume.Explain(input, err), &e) {
			e.Reason = sdk.Invalid
			s.problem = e
		} else {
			s.problem = sdk.InvalidInput(input, "%v", err)
		}
	case found.ID == kernel.TopLevelID && isRoot:
		s.problem = topLevelRefused(input, given)
	case !isRoot:
		s.problem = volume.Invalid(input, "name the subvolume itself", "%q is not a subvolume but lies in %s", given, nameOf(found))
	case !utf8.ValidString(found.Path):
		s.problem = volume.Invalid(input, "rename it", "the path of %q from the top level, %q, is not valid UTF-8", given, found.Path)
	default:
		s.path = found.Path
	}
	return s
}

func nameOf(s kernel.Subvolume) string {
	if s.ID == kernel.TopLevelID {
		return "the top level"
	}
	return fmt.Sprintf("the subvolume %q", s.Path)
}

func topLevelRefused(input, given string) *sdk.Error {
	return volume.Invalid(input, "name a subvolume in it; \"btrfs subvolume list\" shows them",
		"%q is the filesystem's top level, which holds all subvolumes and is no source: its snapshot would have none of them in it", given)
}
