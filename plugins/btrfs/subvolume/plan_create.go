package subvolume

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// createPrivate is what Apply makes: nothing if Create is false.
type createPrivate struct {
	Filesystem string
	Path       string
	Create     bool
	UUID       sdk.UUID // of the one that exists
}

type createFacts struct {
	Filesystem string `json:"filesystem"`
	Path       string `json:"path"`
	Exists     bool   `json:"exists"`
}

func planCreate(m *machine, path string, instant time.Time) (sdk.Planned[CreateOutput, createPrivate], error) {
	planned := sdk.Planned[CreateOutput, createPrivate]{
		Outputs: CreateOutput{Path: path},
		Private: createPrivate{Filesystem: m.uuid, Path: path},
		Facts:   createFacts{Filesystem: m.uuid, Path: path},
	}
	const input = "/subvolume"
	switch {
	case path == "":
		return planned, sdk.InvalidInput(input, "the top level is there already: name a subvolume in it")
	case path == volume.StateFolder || volume.Inside(volume.StateFolder, path):
		return planned, sdk.InvalidInput(input, "%q is reserved for coppice's own records", path)
	}
	if s, ok := m.at(path); ok {
		planned.Facts = createFacts{Filesystem: m.uuid, Path: path, Exists: true}
		planned.Kept = []sdk.Kept{{Resource: m.resource(path, s.id()), Reason: "exists"}}
		planned.Outputs.UUID = sdk.UUID(s.id())
		planned.Private.UUID = planned.Outputs.UUID
		if s.planned {
			planned.Unknown = []string{"/uuid"}
		}
		return planned, nil
	}
	if err := m.creatable(input, path); err != nil {
		return planned, err
	}
	planned.Private.Create = true
	planned.Unknown = []string{"/uuid"}
	planned.Changes = []sdk.Change{{
		Kind:     sdk.Create,
		Resource: m.resource(path, ""),
		Summary:  "empty subvolume",
		After:    attributes{Created: instant.UTC()}.encode(),
	}}
	return planned, nil
}

// creatable says why no subvolume can be made at a path where there is none.
func (m *machine) creatable(input, path string) error {
	if m.readOnly {
		return m.readOnlyError("no subvolume can be made")
	}
	if kind, there := m.other(path); there {
		return sdk.InvalidInput(input, "%q exists and is a %v, not a subvolume", path, kind)
	}
	parent := volume.ParentOf(path)
	if _, ok := m.at(parent); !ok && parent != "" {
		kind, there := m.other(parent)
		switch err := m.things[parent].err; {
		case err != nil:
			return volume.Explain(input, err)
		case !there:
			return volume.Invalid(input, "make it first, with btrfs.create or mkdir", "the parent folder %q does not exist", parent)
		case kind != kernel.EntryDir:
			return sdk.InvalidInput(input, "the parent folder %q is a %v", parent, kind)
		}
	}
	if t := m.things[path]; t.err != nil {
		return volume.Explain(input, t.err)
	}
	if around, sealed := m.sealed(path); sealed {
		return sdk.InvalidInput(input, "%q lies in the subvolume %q, which is read-only", path, around.Path)
	}
	return nil
}

func (m *machine) readOnlyError(consequence string) error {
	return volume.Refuse("make it writable (mount -o remount,rw); when the kernel made it read-only after an error, \"dmesg\" says why",
		"btrfs %s is read-only: %s", m.name(), consequence)
}
