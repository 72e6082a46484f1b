package layout

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// renamePrivate is what Apply renames: nothing if Rename is false.
type renamePrivate struct {
	Filesystem string
	From, To   string
	UUID       kernel.UUID
	Rename     bool
}

type renamePlan = sdk.Planned[RenameOutput, renamePrivate]

type renameFacts struct {
	Filesystem string `json:"filesystem"`
	Subvolume  string `json:"subvolume"`
	From       string `json:"from"`
	To         string `json:"to"`
	Rename     bool   `json:"rename"`
}

func planRename(v *subvolume.View, in RenameInput, from, to string, instant time.Time) (renamePlan, error) {
	var planned renamePlan
	switch {
	case reserved(from):
		return planned, reservedError("/subvolume", from)
	case reserved(to):
		return planned, reservedError("/to", to)
	case from == "":
		return planned, sdk.InvalidInput("/subvolume", "the top level can't be renamed")
	case to == "":
		return planned, sdk.InvalidInput("/to", "the top level is there already: name a path in it")
	}
	s, there := v.At(from)
	target, taken := v.At(to)
	named := in.UUID != "" && taken && target.IDText() == string(in.UUID)
	done := false
	if !there || from == to || named {
		var err error
		if s, err = renamedAlready(v, from, to); err != nil {
			return planned, err
		}
		done = true
	}
	if in.UUID != "" && !s.Planned && s.IDText() != string(in.UUID) {
		return planned, sdk.InvalidInput("/uuid", "the subvolume %q has UUID %s", s.Path, s.UUID)
	}
	planned.Outputs = RenameOutput{Path: to, UUID: sdk.UUID(s.IDText())}
	if s.Planned {
		planned.Unknown = []string{"/uuid"}
	}
	planned.Facts = renameFacts{Filesystem: v.UUID(), Subvolume: s.Fact(instant), From: from, To: to, Rename: !done}
	planned.Private = renamePrivate{Filesystem: v.UUID(), From: from, To: to, UUID: s.UUID, Rename: !done}
	if done {
		planned.Kept = []sdk.Kept{{Resource: v.Resource(s), Reason: "has this path already"}}
		return planned, nil
	}
	if err := mayRename(v, s, from, to); err != nil {
		return planned, err
	}
	planned.Diagnostics = renameWarnings(v, s, to)
	planned.Changes = []sdk.Change{subvolume.UpdateOf(v.Resource(s), fmt.Sprintf("renamed to %s", to),
		subvolume.Properties{Path: &from}, subvolume.Properties{Path: &to})}
	return planned, nil
}

// renamedAlready finds the subvolume at the new path when there is none at the old one.
func renamedAlready(v *subvolume.View, from, to string) (subvolume.Known, error) {
	if s, there := v.At(to); there {
		return s, nil
	}
	kind, other, err := v.Other(from)
	switch {
	case err != nil:
		return subvolume.Known{}, volume.Explain("/subvolume", err)
	case other:
		return subvolume.Known{}, volume.Invalid("/subvolume", "\"mv\" renames anything else", "%q is a %v, not a subvolume", from, kind)
	}
	return subvolume.Known{}, sdk.InvalidInput("/subvolume", "there is no subvolume %q, and none at %q that it could have become", from, to)
}

// mayRename says why a subvolume can't get another path.
func mayRename(v *subvolume.View, s subvolume.Known, from, to string) error {
	if err := v.MayTouch(); err != nil { // nobody knows which snapshots are managed then
		return err
	}
	if err := v.Writable("no subvolume can be renamed"); err != nil {
		return err
	}
	if volume.Inside(from, to) {
		return sdk.InvalidInput("/to", "%q is inside of %q itself", to, from)
	}
	if _, taken := v.At(to); taken {
		return volume.Invalid("/to", "move that one away first: nothing is ever replaced", "a subvolume %q exists already", to)
	}
	if err := v.Creatable("/to", to); err != nil {
		return err
	}
	for _, other := range v.All() { // whoever receives puts it into place by its path
		if (other.Path == from || volume.Inside(from, other.Path)) && v.Receiving(other) {
			return volume.Refuse("wait until that is through", "%q is being received", other.Path)
		}
	}
	if around, sealed := v.Sealed(from); sealed {
		return volume.Invalid("/subvolume", "make that one writable first, with btrfs.property", "%q lies in the subvolume %q, which is read-only", from, around.Path)
	}
	for _, other := range v.All() {
		switch {
		case !other.Managed():
		case other.Path == from:
			return volume.Invalid("/subvolume", "to have it elsewhere, make a snapshot of it there (\"btrfs subvolume snapshot\")",
				"%q is a managed snapshot of %q: its place says so", from, other.Source)
		case volume.Inside(from, other.Path):
			return volume.Invalid("/subvolume", "their place says whose snapshots they are: without it they would stay for ever",
				"managed snapshots lie in %q, such as %q", from, other.Path)
		}
	}
	if s.ReadOnly && volume.ParentOf(from) != volume.ParentOf(to) {
		return volume.Invalid("/to", "give it another name in the same folder, or make it writable first, with btrfs.property",
			"%q is read-only, and the kernel moves a read-only subvolume into no other folder", from)
	}
	return nil
}

func renameWarnings(v *subvolume.View, s subvolume.Known, to string) []sdk.Diagnostic {
	var all []sdk.Diagnostic
	for _, other := range v.All() {
		if other.Path != s.Path && !volume.Inside(s.Path, other.Path) {
			continue
		}
		if where := v.Mounted(other); where != "" {
			all = append(all, warning("/subvolume", "where it is mounted by its path (subvol=…, in /etc/fstab or the boot loader), name the new one before the next mount",
				"%q is %s: this mount follows to the new path, the next one by the old path fails", other.Path, where))
		}
	}
	if n := v.SnapshotsOf(s.Path); n > 0 {
		all = append(all, warning("/subvolume", "",
			"%q has snapshots (%d): they stay those of whatever is at %q next, and those of %q begin anew", s.Path, n, s.Path, to))
	}
	return all
}
