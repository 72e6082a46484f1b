package boot

import (
	"context"
	"fmt"
	"path"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// rebasePrivate is what Apply does.
type rebasePrivate struct {
	Filesystem string
	Root, Old  kernel.UUID // Old: of the blank; zero: there is none
	Kept       string      // where the new one is made, and the old one is afterwards
}

type rebaseFacts struct {
	Filesystem string `json:"filesystem"`
	Root       string `json:"root"`
	Old        string `json:"old"`
}

func rebaseAction(m machine) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "boot_rebase",
		Summary: "Make the blank anew from the running root",
		Description: "Takes a read-only snapshot of the root as it is now, and exchanges it for the blank by one atomic exchange of names: for systems that can't start from an empty root, " +
			"after an upgrade. The blank until now stays beside it, with the time in its name. All that is in the root then is in every clean root, its keys and its logs too; subvolumes that lie in it are not.",
		Touches: []string{volume.ResourceType},
	}, sdk.Writer[RebaseInput, RebaseOutput, rebasePrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in RebaseInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, volume.Target{Filesystem: in.Filesystem})
		},
		Plan: func(ctx context.Context, c *sdk.Call, in RebaseInput) (sdk.Planned[RebaseOutput, rebasePrivate], error) {
			return planRebase(ctx, m, c, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in RebaseInput, private rebasePrivate) (RebaseOutput, error) {
			return applyRebase(ctx, m, c, in, private)
		},
	})
}

func planRebase(ctx context.Context, m machine, c *sdk.Call, in RebaseInput) (sdk.Planned[RebaseOutput, rebasePrivate], error) {
	planned := sdk.Planned[RebaseOutput, rebasePrivate]{}
	source, _, err := Source{Root: in.Root, Blank: in.Blank, Archive: "-"}.clean()
	if err != nil {
		return planned, err
	}
	now, err := m.circumstances()
	if err != nil {
		return planned, err
	}
	f, err := volume.Open(ctx, volume.Target{Filesystem: in.Filesystem})
	if err != nil {
		return planned, err
	}
	defer f.Close()
	o := observer{f: f}
	root, blank := o.at(source.Root), o.at(source.Blank)
	system := o.bootable(source.Root, now.Release)
	if o.err != nil {
		return planned, volume.Explain("", o.err)
	}
	kept := source.Blank + "-" + subvolume.StampOf(c.Instant)
	switch {
	case !root.subvolume():
		return planned, volume.Invalid("/root", "name the subvolume that is mounted as the root", "there is no subvolume %q", source.Root)
	case blank.Found && !blank.subvolume():
		return planned, volume.Invalid("/blank", "name another one", "%q is a %v, not a subvolume", source.Blank, blank.Kind)
	case source.Blank == source.Root || volume.Inside(source.Root, source.Blank):
		return planned, volume.Invalid("/blank", "name a place outside of it", "the blank %q lies in the root", source.Blank)
	case system.System && !system.Modules:
		return planned, volume.Refuse("reboot into the kernel that is installed, and do it then",
			"the root has no modules of the running kernel %s: a blank like it would be refused at the next boot", now.Release)
	}
	id := f.UUID().String()
	planned.Private = rebasePrivate{Filesystem: id, Root: root.UUID, Old: blank.UUID, Kept: kept}
	planned.Facts = rebaseFacts{Filesystem: id, Root: idOf(root), Old: idOf(blank)}
	planned.Unknown = []string{"/uuid"}
	resource := sdk.Resource{Type: volume.ResourceType, Scope: id, Name: source.Blank, ID: idOf(blank)}
	if blank.Found {
		planned.Outputs.Kept = kept
		planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Update, Resource: resource, Summary: "kept as " + kept,
			Before: subvolume.Moved(source.Blank), After: subvolume.Moved(kept)})
		resource.ID = ""
	}
	planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Create, Resource: resource, Summary: "read-only snapshot of " + source.Root,
		After: subvolume.AfterCopy(root.UUID, c.Instant)})
	return planned, nil
}

func applyRebase(ctx context.Context, m machine, c *sdk.Call, in RebaseInput, private rebasePrivate) (RebaseOutput, error) {
	var out RebaseOutput
	if err := c.PlannedOutputs(&out); err != nil {
		return out, err
	}
	source, _, err := Source{Root: in.Root, Blank: in.Blank, Archive: "-"}.clean()
	if err != nil {
		return out, err
	}
	f, release, err := volume.OpenLocked(ctx, m.Host, volume.Target{Filesystem: in.Filesystem}, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	place := private.Kept
	if private.Old.IsZero() {
		place = source.Blank
	}
	made, found, err := f.AtPath(place)
	if err != nil {
		return out, volume.Explain("", err)
	}
	if found && made.UUID == private.Old { // applied before
		at, _, err := f.AtPath(source.Blank)
		out.UUID = at.UUID.String()
		return out, volume.Explain("", err)
	}
	if !found {
		if made, err = f.Snapshot(kernel.SnapshotSpec{SourceUUID: private.Root, DestDir: volume.ParentOf(place), Name: path.Base(place), ReadOnly: true}); err != nil {
			return out, volume.Explain("", fmt.Errorf("cannot take a snapshot of %q: %w", source.Root, err))
		}
	}
	out.UUID = made.UUID.String()
	if private.Old.IsZero() {
		c.Done(0)
		return out, nil
	}
	if err := f.Exchange(kernel.Place{Path: source.Blank, UUID: private.Old}, kernel.Place{Path: place, UUID: made.UUID}); err != nil {
		return out, volume.Explain("", err)
	}
	if err := f.Sync(); err != nil {
		return out, volume.Explain("", err)
	}
	c.Done(0)
	c.Done(1)
	return out, nil
}
