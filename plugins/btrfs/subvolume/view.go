package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// View is what the packages beside this one see of a filesystem: its subvolumes as they will be once the changes that earlier
// steps have planned are made, and what guards them. It is read once, by Observe.
type View struct {
	m   *machine
	f   *kernel.Filesystem
	all []Known // m.subvolumes; nil: to be made
}

// Look says what a View needs to know beyond the subvolumes.
type Look struct {
	Catalogue bool         // which of them are managed snapshots
	Guards    bool         // default subvolume, mounts, holds, hold switches, clock
	Planning  bool         // nothing is changed on the strength of this look alone
	Prior     []sdk.Change // of the call: what earlier steps have planned
	Virtual   sdk.Virtual  // of the call: in a simulation the mounts are asked for once
}

// Observe reads the machine. f stays the caller's, and open as long as the View is asked.
func Observe(ctx context.Context, h volume.Host, f *kernel.Filesystem, l Look) (*View, error) {
	m, err := observe(ctx, h, f, look{catalogue: l.Catalogue, guards: l.Guards, planning: l.Planning, prior: l.Prior, virtual: l.Virtual})
	if err != nil {
		return nil, err
	}
	return &View{m: m, f: f}, nil
}

// Lay lays further changes over it, which the action itself plans.
func (v *View) Lay(planned ...sdk.Change) {
	v.m.overlay(planned)
	v.all = nil
}

// UUID is the filesystem's.
func (v *View) UUID() string { return v.m.uuid }

// Name is the filesystem in messages.
func (v *View) Name() string { return v.m.name() }

// ReadOnly reports whether nothing can be written to the filesystem.
func (v *View) ReadOnly() bool { return v.m.readOnly }

// Writable says why the filesystem can't be changed; nil: it can. consequence is what can't be done then.
func (v *View) Writable(consequence string) error {
	if v.m.readOnly {
		return v.m.readOnlyError(consequence)
	}
	return nil
}

// All are all but the top level, sorted by path. The list is the View's own: the caller changes nothing in it.
func (v *View) All() []Known {
	if v.all == nil {
		v.all = make([]Known, len(v.m.subvolumes))
		for i, s := range v.m.subvolumes {
			v.all[i] = knownOf(s)
		}
	}
	return v.all
}

// At finds the subvolume at a path.
func (v *View) At(path string) (Known, bool) {
	s, ok := v.m.at(path)
	return knownOf(s), ok
}

// WithUUID finds a subvolume that exists.
func (v *View) WithUUID(id kernel.UUID) (Known, bool) {
	s, ok := v.m.withUUID(id)
	return knownOf(s), ok
}

// Around finds the innermost subvolume that a path lies in, or that is at it; none is the top level.
func (v *View) Around(path string) (Known, bool) {
	s, ok := v.m.around(path)
	return knownOf(s), ok
}

// Sealed finds the read-only subvolume that a path lies in; one that is at the path does not count.
func (v *View) Sealed(path string) (Known, bool) {
	s, ok := v.m.sealed(path)
	return knownOf(s), ok
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
func (v *View) Wanted(input, given string) (Known, bool, error) {
	s, there, err := v.m.wanted(input, given)
	return knownOf(s), there, err
}

// Needed finds the subvolume that an input names, by UUID or path. One that is not there is an error.
func (v *View) Needed(input, given string) (Known, error) {
	w := parseWanted(input, given)
	if w.bad != nil {
		return Known{}, w.bad
	}
	k, there := v.WithUUID(w.id)
	if w.path != "" {
		k, there = v.At(w.path)
	}
	if !there {
		return Known{}, volume.Invalid(input, "\"coppice snapshots list\" shows the snapshots", "there is no subvolume %q", given)
	}
	return k, nil
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

// Overlaid reports whether earlier steps have planned anything.
func (v *View) Overlaid() bool { return v.m.overlaid }

// FileShape is what earlier steps will have given to a file or directory.
func (v *View) FileShape(path string) Shape { return v.m.files[path] }

// Quotas is the mode that an earlier step sets, "" if none does. No limits are left then but those that a later one sets.
func (v *View) Quotas() string { return v.m.quotas }

// Resource is what a change or a kept subvolume is about.
func (v *View) Resource(k Known) sdk.Resource { return v.m.resource(k.Path, k.IDText()) }

// Named is a resource of another type at a path, or of a name.
func (v *View) Named(kind, name string) sdk.Resource {
	return sdk.Resource{Type: kind, Scope: v.m.uuid, Name: name}
}
