package recovery

import (
	"encoding/json"
	"fmt"
	"path"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/unit"
)

// restorePrivate is what Apply does.
type restorePrivate struct {
	Filesystem string
	Snapshot   string      // its path
	UUID       kernel.UUID // zero: it is one that this run takes
	Inside     string
	Where      place
	Replaces   *tree.Node // what is at the name, and is to be replaced; nil: nothing
	Aside      string     // the name that a folder gets that is replaced; "" if a file is
	Nothing    bool
	Left       []leftover // of the first changes, in this order
}

type restorePlan = sdk.Planned[RestoreOutput, restorePrivate]

// restoreFacts is what a plan rests on.
type restoreFacts struct {
	Filesystem string `json:"filesystem"`
	Snapshot   string `json:"snapshot"` // UUID, or the path of a planned one
	Path       string `json:"path"`
	To         string `json:"to"`
	State      string `json:"state"` // of it: absent, same or replaced

	Left []string `json:"left,omitempty"`
}

// fileAttributes are the Before and After of a restored file or folder.
type fileAttributes struct {
	Kind     string    `json:"kind"`
	Bytes    int64     `json:"bytes"`
	Files    int       `json:"files,omitempty"`
	Folders  int       `json:"folders,omitempty"`
	Modified time.Time `json:"modified"`
}

func planRestore(o *restoring, in RestoreInput, instant time.Time) (restorePlan, error) {
	if err := o.refused(in); err != nil {
		return restorePlan{}, err
	}
	planned := restorePlan{
		Outputs: RestoreOutput{
			Snapshot: o.snapshot.Path, Files: o.total.Files, Folders: o.total.Folders,
			Others: o.total.Links + o.total.Devices, Bytes: sdk.Size(o.total.Bytes),
		},
		Private: restorePrivate{Filesystem: o.view.UUID(), Snapshot: o.snapshot.Path, UUID: o.snapshot.UUID, Inside: o.inside, Where: o.where},
	}
	var name string
	var there existing
	for name = range candidates(o.where.Name, in) {
		if there = o.there[name]; !there.found || there.same {
			break
		}
	}
	planned.Private.Where.Name = name
	planned.Outputs.Path = o.where.path(name)
	facts := restoreFacts{Filesystem: o.view.UUID(), Snapshot: o.snapshot.Key(), Path: o.inside, To: planned.Outputs.Path, State: "absent"}
	if o.snapshot.Name() == subvolume.StampOf(instant) {
		facts.Snapshot = o.snapshot.Path
	}
	o.planLeftovers(&planned, &facts)
	change := sdk.Change{Kind: sdk.Create, Resource: o.resource(name), Summary: o.says(), After: encode(o.after())}
	switch {
	case there.same:
		facts.State = "same"
		planned.Private.Nothing, planned.Summary = true, "there already, as in the snapshot"
		planned.Kept = append(planned.Kept, sdk.Kept{Resource: o.resource(name), Reason: "is there already, as in the snapshot"})
		planned.Facts = facts
		return planned, nil
	case there.found && in.Existing != "replace":
		return restorePlan{}, volume.Invalid("/to", "restore it beside that (existing: beside), replace it (existing: replace), or say another place",
			"there is a %s %q already, which is not the same", there.node.Kind, planned.Outputs.Path)
	case there.found && there.node.Kind == tree.Nested:
		return restorePlan{}, volume.Invalid("/to", "say another place", "%q is a subvolume and is not replaced", planned.Outputs.Path)
	case there.found:
		facts.State = "replaced"
		old := there.node
		planned.Private.Replaces = &old
		change.Kind = sdk.Update
		change.Before = encode(fileAttributes{Kind: string(old.Kind), Bytes: old.Size, Modified: old.Modified})
		change.Summary += fmt.Sprintf("; in the place of a %s of %s", old.Kind, volume.Moment(old.Modified))
		if old.Kind == tree.Folder || o.thing.Kind == tree.Folder {
			planned.Private.Aside = name + ".replaced-" + subvolume.StampOf(instant)
			planned.Outputs.Kept = o.where.path(planned.Private.Aside)
			change.Summary += fmt.Sprintf(", which stays as %q", planned.Private.Aside)
		} else if old.Kind == tree.File {
			change.Summary += fmt.Sprintf(" with %s", unit.FormatSize(old.Size))
		}
	}
	planned.Facts = facts
	planned.Changes = append(planned.Changes, change)
	for _, left := range []struct {
		n    int
		what string
	}{{o.total.Sockets, "socket"}, {o.total.Nested, "nested subvolume"}} {
		if left.n > 0 {
			planned.Diagnostics = append(planned.Diagnostics, volume.Warn("", "%s will not come along", volume.Count(left.n, left.what)))
		}
	}
	return planned, nil
}

// refused says why nothing can be restored there at all.
func (o *restoring) refused(in RestoreInput) error {
	shown := o.where.path(o.where.Name)
	switch {
	case o.thing.Kind == tree.Nested:
		return volume.Invalid("/path", "look for it in the snapshots of that subvolume", "%q is a subvolume of its own, which is not in the snapshot", o.inside)
	case o.thing.Kind == tree.Socket:
		return sdk.InvalidInput("/path", "%q is a socket, which means nothing without the program behind it", o.inside)
	case o.where.Other && !in.Copy:
		return volume.Invalid("/to", "set copy to copy the data", "%q is on another filesystem, which can't share data with the snapshot", shown)
	case o.where.Other && o.free < o.total.Bytes:
		return volume.Refuse("free some space, or say another place", "%s are needed at %q, and %s are free", unit.FormatSize(o.total.Bytes), shown, unit.FormatSize(o.free))
	case o.where.Other:
		return nil
	case shown == volume.StateFolder || volume.Inside(volume.StateFolder, shown):
		return sdk.InvalidInput("/to", "%q is reserved for coppice's own records", shown)
	}
	if around, there := o.view.Around(o.where.Folder); there && around.ReadOnly {
		return volume.Invalid("/to", "say another place", "%q lies in the subvolume %q, which is read-only", shown, around.Path)
	}
	return o.view.Writable("nothing can be restored")
}

// says is what is restored, in words.
func (o *restoring) says() string {
	from := fmt.Sprintf("from %s of %s", o.snapshot.Path, volume.Moment(o.snapshot.OTime))
	if !path.IsAbs(o.where.Folder) && path.Base(o.inside) != o.where.Name {
		from = fmt.Sprintf("%q, %s", o.inside, from)
	}
	switch o.thing.Kind {
	case tree.Folder:
		return fmt.Sprintf("folder with %s, %s, %s", volume.Count(o.total.Files, "file"), unit.FormatSize(o.total.Bytes), from)
	case tree.File:
		return fmt.Sprintf("file, %s, %s", unit.FormatSize(o.thing.Size), from)
	}
	return fmt.Sprintf("%s, %s", o.thing.Kind, from)
}

func (o *restoring) after() fileAttributes {
	return fileAttributes{Kind: string(o.thing.Kind), Bytes: o.total.Bytes, Files: o.total.Files, Folders: o.total.Folders, Modified: o.thing.Modified}
}

func encode(a fileAttributes) json.RawMessage {
	if y := a.Modified.Year(); y < 0 || y > 9999 { // anybody can set it
		a.Modified = time.Time{}
	}
	data, err := json.Marshal(a)
	if err != nil {
		panic(err) // numbers and a time of which the year was looked at
	}
	return data
}
