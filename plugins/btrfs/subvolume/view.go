package subvolume

import (
	"context"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// View is for actions of other packages: the subvolumes of a filesystem as they will be once the changes that earlier steps
// have planned are made, and what guards them.
type View struct {
	m *machine
	f *kernel.Filesystem
}

// Look says what a View needs to know beyond the subvolumes.
type Look struct {
	Catalogue bool // which of them are managed snapshots
	Guards    bool // default subvolume, mounts, holds, hold switches, clock
	Planning  bool // nothing is changed on the strength of this look alone
	Prior     []sdk.Change
}

// Seen is one subvolume of a View.
type Seen struct {
	kernel.Subvolume
	Planned bool   // no UUID, no ID, no transaction yet
	Source  string // of a snapshot that coppice took
	Managed bool   // btrfs.prune may expire it
	Shape   Shape  // what earlier steps will have given it

	// Of one that is planned, as far as Shape says nothing: the ID of the subvolume whose limits it has, and the path at which
	// that one is now whose compression it has.
	LimitsOf      uint64
	CompressionOf string
}

// Observe reads the machine. f stays the caller's, and open as long as the View is asked.
func Observe(ctx context.Context, h volume.Host, f *kernel.Filesystem, l Look) (*View, error) {
	m, err := observe(ctx, h, f, look{catalogue: l.Catalogue, guards: l.Guards, planning: l.Planning, prior: l.Prior})
	if err != nil {
		return nil, err
	}
	return &View{m: m, f: f}, nil
}

func seen(s subvolume) Seen {
	return Seen{Subvolume: s.Subvolume, Planned: s.planned, Source: s.source, Managed: s.managed(), Shape: s.shape,
		LimitsOf: s.heir.limits, CompressionOf: s.heir.folder}
}

// IDText is its UUID for outputs and resources, "" if it is planned.
func (s Seen) IDText() string {
	if s.Planned {
		return ""
	}
	return s.UUID.String()
}

// Fact is what identifies it in the facts of a plan: its UUID, unless it was made since the run's instant: in a preview that
// one is known by its path only.
func (s Seen) Fact(instant time.Time) string {
	if s.Planned || !s.OTime.Before(instant.Add(-coarse)) {
		return s.Path
	}
	return s.UUID.String()
}

// Lay lays further changes over it, which the action itself plans.
func (v *View) Lay(planned ...sdk.Change) { v.m.overlay(planned) }

// All are all but the top level, sorted by path.
func (v *View) All() []Seen {
	all := make([]Seen, len(v.m.subvolumes))
	for i, s := range v.m.subvolumes {
		all[i] = seen(s)
	}
	return all
}

// At finds the subvolume at a path.
func (v *View) At(path string) (Seen, bool) {
	s, ok := v.m.at(path)
	return seen(s), ok
}

// WithUUID finds a subvolume that exists.
func (v *View) WithUUID(id kernel.UUID) (Seen, bool) {
	s, ok := v.m.withUUID(id)
	return seen(s), ok
}

// Around finds the innermost subvolume that a path lies in, or that is at it; none is the top level.
func (v *View) Around(path string) (Seen, bool) {
	s, ok := v.m.around(path)
	return seen(s), ok
}

// LookAt looks at what is at paths, for Wanted, Other and Creatable: they know nothing of others. A UUID among them is
// passed over.
func (v *View) LookAt(given ...string) {
	for _, g := range given {
		if w := parseWanted("", g); w.bad == nil && w.path != "" {
			v.m.observeThings(v.f, w.path, volume.ParentOf(w.path))
		}
	}
}

// Wanted finds the subvolume that an input names, by UUID or path. One that is not there is no error; a path at which something
// else is, is one.
func (v *View) Wanted(input, given string) (Seen, bool, error) {
	s, there, err := v.m.wanted(input, given)
	return seen(s), there, err
}

// Other finds what is at a path if it is not a subvolume.
func (v *View) Other(path string) (kind kernel.EntryType, there bool, err error) {
	if err := v.m.things[path].err; err != nil {
		return 0, false, err
	}
	kind, there = v.m.other(path)
	return kind, there, nil
}

// Creatable says why no subvolume can be made at a path where there is none; nil: it can.
func (v *View) Creatable(input, path string) error { return v.m.creatable(input, path) }

// OnDisk is where that is now which will be at a path; false if it is not made yet.
func (v *View) OnDisk(path string) (now string, ok bool) { return v.m.onDisk(path) }

// FileShape is what earlier steps will have given to a file or directory.
func (v *View) FileShape(path string) Shape { return v.m.files[path] }

// Sealed finds the read-only subvolume that a path lies in; one that is at the path does not count.
func (v *View) Sealed(path string) (Seen, bool) {
	s, ok := v.m.sealed(path)
	return seen(s), ok
}

// IsDefault reports whether it is the default subvolume. It needs the guards, as all that follow do.
func (v *View) IsDefault(s Seen) bool {
	if s.Planned || v.m.defaultPath != "" {
		return s.Path == v.m.defaultPath
	}
	return s.ID == v.m.defaultID
}

// Default is the default subvolume; false: the top level.
func (v *View) Default() (Seen, bool) {
	for _, s := range v.m.subvolumes {
		if v.IsDefault(seen(s)) {
			return seen(s), true
		}
	}
	return Seen{}, false
}

// Overlaid reports whether earlier steps have planned anything.
func (v *View) Overlaid() bool { return v.m.overlaid }

// Quotas is the mode that an earlier step sets, "" if none does. No limits are left then but those that a later one sets.
func (v *View) Quotas() string { return v.m.quotas }

// Mounted says where it is mounted; "": nowhere.
func (v *View) Mounted(s Seen) string {
	if s.Planned {
		return ""
	}
	return v.m.mounted[s.ID]
}

// Pinned says which holds are on it; "": none that has not ended.
func (v *View) Pinned(s Seen, instant time.Time) string {
	clock := v.m.trust("system", instant)
	if h, ok := v.m.state.holds[s.UUID]; ok && !s.Planned && !h.Over(clock.Now, clock.Trusted) {
		return h.String()
	}
	return ""
}

// Last reports of which sources no valid snapshot would be left if these were gone.
func (v *View) Last(going []Seen, instant time.Time) []string {
	clock := v.m.trust("system", instant)
	gone := map[string]bool{}
	for _, s := range going {
		gone[s.Path] = true
	}
	left, hit := map[string]bool{}, map[string]bool{}
	var all []string
	for _, s := range v.m.subvolumes {
		switch {
		case !s.managed():
		case gone[s.Path] && !hit[s.source]:
			hit[s.source] = true
			all = append(all, s.source)
		case !gone[s.Path] && v.m.valid(s, clock):
			left[s.source] = true
		}
	}
	last := all[:0]
	for _, source := range all {
		if !left[source] {
			last = append(last, source)
		}
	}
	return last
}

// SnapshotsOf counts the managed snapshots of a source, wherever they are.
func (v *View) SnapshotsOf(source string) int {
	n := 0
	for _, s := range v.m.subvolumes {
		if s.managed() && s.source == source {
			n++
		}
	}
	return n
}

// MayTouch says why the filesystem's records can't be used, so that nothing may be done on their ground.
func (v *View) MayTouch() error { return v.m.mayTouch() }

// MayDelete says why nothing at all may be deleted. A hold switch is no error, see Held.
func (v *View) MayDelete() error { return v.m.mayDelete() }

// Held is the reason that every subvolume stays, if a hold switch is on.
func (v *View) Held() string { return v.m.held() }

// Writable says why the filesystem can't be changed; nil: it can. consequence is what can't be done then.
func (v *View) Writable(consequence string) error {
	if v.m.readOnly {
		return v.m.readOnlyError(consequence)
	}
	return nil
}

// UUID is the filesystem's.
func (v *View) UUID() string { return v.m.uuid }

// Resource is what a change or a kept subvolume is about.
func (v *View) Resource(s Seen) sdk.Resource { return v.m.resource(s.Path, s.IDText()) }

// Named is a resource of another type at a path, or of a name.
func (v *View) Named(kind, name string) sdk.Resource {
	return sdk.Resource{Type: kind, Scope: v.m.uuid, Name: name}
}

// BeforeDelete is the Before of a change that deletes it.
func (v *View) BeforeDelete(s Seen) any {
	return attributes{Source: s.Source, ParentUUID: uuidText(s.ParentUUID), ReadOnly: s.ReadOnly, Managed: s.Managed, Created: s.OTime}
}

// AfterCreate is the After of a change that creates one with this shape.
func AfterCreate(shape Shape, instant time.Time) any {
	return attributes{Created: instant.UTC(), Shape: shape}
}

// RemoveRecords removes the records of snapshots that nothing is left of once these are gone. The caller holds the lock on
// names, has looked at the catalogue, and commits afterwards.
func (v *View) RemoveRecords(gone map[kernel.UUID]bool) error {
	return v.m.removeRecords(v.f, gone)
}
