package recovery

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// replacePrivate is what Apply does.
type replacePrivate struct {
	Filesystem string
	Stamp      string
	From       kernel.UUID
	FromPath   string
	Record     replaced
	Staged     kernel.UUID // the copy that an earlier run has made; zero: it is to be made
	Nothing    bool
}

type replacePlan = sdk.Planned[ReplaceOutput, replacePrivate]

// replaceFacts is what a plan rests on.
type replaceFacts struct {
	Filesystem string `json:"filesystem"`
	Path       string `json:"path"`
	Old        string `json:"old"`
	From       string `json:"from"`
	Archive    string `json:"archive"`
	State      string `json:"state"` // new, staged or done
}

// roomNeeded is what a replacement writes at the very most: some tree nodes, in two copies.
const roomNeeded = 4 << 20

func planReplace(o *replacing, in ReplaceInput, c *sdk.Call) (replacePlan, error) {
	if err := o.refused(); err != nil {
		return replacePlan{}, err
	}
	stamp := subvolume.StampOf(c.Instant)
	planned := replacePlan{
		Outputs: ReplaceOutput{Path: o.place, UUID: sdk.UUID(o.old.UUID.String()), From: o.from.Path, Nested: o.nested(o.old)},
		Private: replacePrivate{Filesystem: o.view.UUID(), Stamp: stamp, From: o.from.UUID, FromPath: o.from.Path},
	}
	facts := replaceFacts{Filesystem: o.view.UUID(), Path: o.place, Old: o.old.Key(), From: o.from.Key(), Archive: o.archive, State: "new"}
	if o.from.Name() == stamp {
		facts.From = o.from.Path
	}
	if at, before := o.doneBefore(); before && !in.Again {
		facts.State = "done"
		planned.Facts, planned.Private.Nothing, planned.Outputs.Nested = facts, true, []string{}
		planned.Kept = []sdk.Kept{{Resource: o.view.Resource(o.old),
			Reason: fmt.Sprintf("a copy of %s already, since %s", o.from.Path, volume.Moment(at))}}
		return planned, nil
	}
	record := replaced{Run: c.Run, At: c.Instant.UTC(), Path: o.place, Old: o.old.UUID, From: o.from.UUID, Archived: o.archive + "/" + stamp}
	if staged, by, is := o.staged(); is {
		facts.State = "staged"
		record, planned.Private.Staged = by, staged
	} else if there, taken := o.view.At(record.Archived); taken {
		return replacePlan{}, volume.Refuse("", "%q exists already, and is not of an earlier run of this", there.Path)
	}
	planned.Private.Record = record
	planned.Facts = facts
	planned.Outputs.Archived, planned.Outputs.ArchivedUUID, planned.Outputs.InUse = record.Archived, o.old.UUID.String(), o.view.Mounted(o.old)
	planned.Unknown = []string{"/uuid"}
	planned.Changes = []sdk.Change{
		{
			Kind: sdk.Update, Resource: o.view.Resource(o.old),
			Summary: fmt.Sprintf("archived as %s, and pinned", record.Archived),
			Before:  subvolume.Moved(o.place), After: subvolume.Moved(record.Archived),
		},
		{
			Kind: sdk.Create, Resource: o.view.Named(volume.ResourceType, o.place),
			Summary: fmt.Sprintf("writable copy of %s of %s", o.from.Path, volume.Moment(o.from.OTime)),
			After:   subvolume.AfterCopy(o.from.UUID, c.Instant),
		},
	}
	planned.Diagnostics = o.warnings()
	return planned, nil
}

// refused says why nothing can be replaced.
func (o *replacing) refused() error {
	const archive = "/archive"
	around, in := o.view.Around(volume.ParentOf(o.place))
	inside, archiveIn := o.view.Around(o.archive)
	if err := o.view.MayTouch(); err != nil {
		return err
	}
	switch {
	case len(o.unreadable) > 0:
		return volume.Refuse("repair the file, or remove it when that replacement is through",
			"a record of an earlier replacement can't be read, so nobody knows how far that came: %v", o.unreadable[0])
	case o.view.ReadOnly():
		return o.view.Writable("nothing can be replaced")
	case o.old.Planned:
		return sdk.InvalidInput("/subvolume", "%q is not there yet", o.place)
	case o.from.Path == o.place:
		return volume.Invalid("/from", "name a snapshot of it", "%q would be put in its own place", o.place)
	case o.view.IsDefault(o.old):
		return volume.Invalid("/subvolume", fmt.Sprintf("make a writable snapshot of %q, and have that booted: \"btrfs subvolume set-default\"", o.from.Path),
			"%q is the filesystem's default subvolume: what mounts it finds it by its id, and would go on doing so after an exchange of names", o.place)
	case o.old.ReadOnly:
		return volume.Invalid("/subvolume", "replace what is writable", "%q is read-only, so it can't be moved into the archive", o.place)
	case in && around.ReadOnly:
		return sdk.InvalidInput("/subvolume", "%q lies in the subvolume %q, which is read-only", o.place, around.Path)
	case o.archive == o.place || volume.Inside(o.place, o.archive):
		return sdk.InvalidInput(archive, "the archive %q lies in what would be archived", o.archive)
	case archiveIn && inside.ReadOnly:
		return sdk.InvalidInput(archive, "%q lies in the subvolume %q, which is read-only", o.archive, inside.Path)
	case o.shelfOf() != "":
		return volume.Invalid(archive, "name a folder that is for nothing else, such as old_roots",
			"the archive %q is where the snapshots of %q are", o.archive, o.shelfOf())
	case o.archived && o.archiveIs != kernel.EntryDir && o.archiveIs != kernel.EntrySubvolume:
		return sdk.InvalidInput(archive, "%q is a %v, not a folder", o.archive, o.archiveIs)
	case o.room < roomNeeded:
		return volume.Refuse("free some space: deleting works on a full filesystem, so btrfs.prune does too", "btrfs %s is full: there is no room for a copy", o.view.Name())
	}
	return nil
}

// shelfOf is the source whose snapshots the archive is the folder of; "" if it is none. What other tools have made there and was
// adopted does not count: that may be in an archive.
func (o *replacing) shelfOf() string {
	for _, k := range o.view.All() {
		if k.Managed() && volume.ParentOf(k.Path) == o.archive && path.Base(o.archive) == subvolume.FolderOf(k.Source) {
			if _, stamped := subvolume.ParseStamp(k.Name()); stamped {
				return k.Source
			}
		}
	}
	return ""
}

// doneBefore finds out whether a copy of the same one was put there, and when.
func (o *replacing) doneBefore() (time.Time, bool) {
	if o.from.Planned || o.old.ParentUUID != o.from.UUID {
		return time.Time{}, false
	}
	at, done := time.Time{}, false
	for _, r := range o.records {
		if r.Path == o.place && r.From == o.from.UUID && r.Old != o.old.UUID {
			at, done = r.At, true
		}
	}
	return at, done
}

// staged finds the copy that a run has made which was cut off before the exchange.
func (o *replacing) staged() (kernel.UUID, replaced, bool) {
	for _, r := range o.records {
		copied, there := o.view.At(r.Archived)
		if there && !o.from.Planned && r.Path == o.place && r.Old == o.old.UUID && r.From == o.from.UUID &&
			copied.ParentUUID == r.From && copied.UUID != r.Old && !copied.ReadOnly && path.Dir(r.Archived) == o.archive {
			return copied.UUID, r, true
		}
	}
	return kernel.UUID{}, replaced{}, false
}

// shownNested is how many nested subvolumes a warning names at most.
const shownNested = 5

func (o *replacing) warnings() []sdk.Diagnostic {
	var all []sdk.Diagnostic
	names := func(nested []string) string {
		text := strings.Join(nested[:min(len(nested), shownNested)], ", ")
		if more := len(nested) - shownNested; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		return text
	}
	if of := o.from.Source; of != "" && of != o.place {
		all = append(all, volume.Warn(fmt.Sprintf("is it the right one? \"coppice snapshots list\" shows those of %s", o.place),
			"%q is a snapshot of %q, not of %q", o.from.Path, of, o.place))
	}
	if nested := o.nested(o.old); len(nested) > 0 {
		all = append(all, volume.Warn("move those that are needed into the new one, or out of either",
			"%s in %q goes into the archive with it: %s", volume.Count(len(nested), "subvolume"), o.place, names(nested)))
	}
	if nested := o.nested(o.from); len(nested) > 0 {
		all = append(all, volume.Warn("move or snapshot those that are needed",
			"%s in %q will not be in the copy: %s", volume.Count(len(nested), "subvolume"), o.from.Path, names(nested)))
	}
	for _, what := range o.byID {
		all = append(all, volume.Warn("mount it by its path (subvol=), or correct the id before the reboot",
			"%s mounts a subvolume by its id (subvolid=), and so may go on mounting the one that is archived", what))
	}
	if where := o.view.Mounted(o.old); where != "" {
		all = append(all, volume.Warn("reboot, or mount it anew, soon",
			"%q is %s: until that ends, what is written there goes into the archived one", o.place, where))
	}
	return all
}
