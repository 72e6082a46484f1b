package subvolume

import (
	"context"
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Known is a subvolume with what coppice knows of it, for the packages beside this one.
type Known struct {
	kernel.Subvolume
	Planned   bool         // an earlier step would make it: it has no UUID, no ID and no content yet
	Source    string       // path of what it is a snapshot of, if the catalogue says so
	Unmanaged string       // why btrfs.prune leaves it alone, in words; "" if it may expire it
	Pins      volume.Holds // whether or not they have ended
	Mounted   string       // where, in words; "" if nowhere
}

// Key identifies it: by UUID, or by path if it is planned.
func (k Known) Key() string { return subvolume{Subvolume: k.Subvolume, planned: k.Planned}.key() }

// Survey is all subvolumes of a filesystem but the top level, sorted by path, with the changes of earlier steps laid over.
type Survey struct {
	UUID, Label string
	ReadOnly    bool   // the whole filesystem
	Default     uint64 // ID of the subvolume that is mounted when none is asked for
	All         []Known
	Warnings    []error // what of coppice's records can't be read, so that something is missing here
	State       error   // coppice's records can't be used at all: nothing may be written
}

// TakeSurvey surveys a filesystem, for a plan or a reading action.
func TakeSurvey(ctx context.Context, h volume.Host, f *kernel.Filesystem, c *sdk.Call) (Survey, error) {
	m, err := observe(ctx, h, f, look{catalogue: true, guards: true, planning: true, prior: c.Prior, virtual: c.Virtual})
	if err != nil {
		return Survey{}, err
	}
	s := Survey{UUID: m.uuid, Label: m.label, ReadOnly: m.readOnly, Default: m.defaultID, All: make([]Known, len(m.subvolumes)), State: m.state.schema}
	s.Warnings = append(append(s.Warnings, m.state.corrupt...), m.state.unheld...)
	for i, sub := range m.subvolumes {
		s.All[i] = Known{Subvolume: sub.Subvolume, Planned: sub.planned, Source: sub.source, Unmanaged: sub.unmanaged, Pins: m.holdsOf(sub)}
		if !sub.planned {
			s.All[i].Mounted = m.mounted[sub.ID]
		}
	}
	return s, nil
}

// Find returns the subvolume that an input names by path or UUID. One that is not there is an error about the input.
func (s Survey) Find(input, given string) (Known, *sdk.Error) {
	w := parseWanted(input, given)
	var bad *sdk.Error
	if errors.As(w.bad, &bad) {
		return Known{}, bad
	}
	for _, k := range s.All {
		if w.path != "" && k.Path == w.path || w.path == "" && !k.Planned && k.UUID == w.id {
			return k, nil
		}
	}
	return Known{}, volume.Invalid(input, "\"coppice snapshots list\" shows the snapshots", "there is no subvolume %q", given)
}

// At returns the subvolume at a path.
func (s Survey) At(path string) (Known, bool) {
	for _, k := range s.All {
		if k.Path == path {
			return k, true
		}
	}
	return Known{}, false
}

// Around returns the subvolume that a path lies in, itself included; false if that is the top level.
func (s Survey) Around(path string) (Known, bool) {
	for p := path; p != ""; p = volume.ParentOf(p) {
		if k, there := s.At(p); there {
			return k, true
		}
	}
	return Known{}, false
}

// Name is the filesystem in messages.
func (s Survey) Name() string { return (&machine{uuid: s.UUID, label: s.Label}).name() }

// Writable says why nothing can be written to the filesystem.
func (s Survey) Writable(consequence string) error {
	if s.ReadOnly {
		return (&machine{uuid: s.UUID, label: s.Label}).readOnlyError(consequence)
	}
	return nil
}

// Resource is what a change of a subvolume is about.
func (s Survey) Resource(path, id string) sdk.Resource {
	return sdk.Resource{Type: volume.ResourceType, Scope: s.UUID, Name: path, ID: id}
}

// Stamp is the name that a run of that instant gives to a subvolume.
var Stamp = stampOf

// CreatedAttributes are the After of a change that makes a writable snapshot.
func CreatedAttributes(parent kernel.UUID, c *sdk.Call) []byte {
	return attributes{ParentUUID: uuidText(parent), Created: c.Instant.UTC()}.encode()
}
