package recovery

import (
	"context"
	"errors"
	"path"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func diffAction(h volume.Host) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "diff",
		Summary: "Tell what has changed between two snapshots, or since one",
		Description: "Compares the files of two subvolumes, by name, kind, size, times, owner and permissions; it does not read their content. " +
			"Of a snapshot and what it was taken of, or two snapshots of one subvolume, it looks only where btrfs has written anything in " +
			"between, and tells a change of content or extended attributes by the change time, which nobody can set. The filesystem is synced before.",
		Touches: []string{volume.ResourceType},
	}, func(ctx context.Context, c *sdk.Call, in DiffInput) (sdk.Planned[DiffOutput, sdk.None], error) {
		var none sdk.Planned[DiffOutput, sdk.None]
		inside, bad := volume.CleanPath("/path", in.Path)
		if bad != nil {
			return none, bad
		}
		f, err := volume.Open(ctx, in.Target)
		if err != nil {
			return none, err
		}
		defer f.Close()
		v, err := observe(ctx, h, f, c)
		if err != nil {
			return none, err
		}
		from, to, err := compared(v, in)
		if err != nil {
			return none, err
		}
		for _, k := range []subvolume.Known{from, to} {
			if k.Planned {
				return none, sdk.InvalidInput("", "%q is not there yet, and has nothing in it to compare", k.Path)
			}
		}
		d := &differ{out: DiffOutput{From: from.Path, To: to.Path, Complete: true, Differences: []Difference{}}, limit: in.Limit}
		if err := d.run(ctx, f, from, to, inside); err != nil {
			return none, err
		}
		return sdk.Planned[DiffOutput, sdk.None]{Outputs: d.out, Summary: d.summary()}, nil
	})
}

// compared finds the two subvolumes.
func compared(v *subvolume.View, in DiffInput) (from, to subvolume.Known, err error) {
	if from, err = v.Needed("/from", in.From); err != nil {
		return from, to, err
	}
	if in.To != "" {
		to, err = v.Needed("/to", in.To)
		return from, to, err
	}
	origin, known := originOf(v, from)
	to, there := v.At(origin)
	if !known || !there {
		return from, to, volume.Invalid("/to", "say what to compare it with", "what %q was taken of does not exist, or is not known", from.Path)
	}
	return from, to, nil
}

// related reports whether two subvolumes have the same inodes, and everything that differs was written to the second after
// the first was made.
func related(from, to subvolume.Known) bool {
	switch {
	case !from.ReadOnly || from.ParentUUID.IsZero():
		return false
	case from.ParentUUID == to.UUID:
		return true
	}
	return to.ReadOnly && from.ParentUUID == to.ParentUUID && from.OTransID <= to.OTransID
}

// run compares.
func (d *differ) run(ctx context.Context, f *kernel.Filesystem, from, to subvolume.Known, inside string) error {
	var c tree.Comparison
	if related(from, to) {
		if readOnly, err := f.ReadOnly(); err != nil {
			return volume.Explain("", err)
		} else if !readOnly {
			if err := f.Sync(); err != nil { // what is not committed is not in the tree
				return volume.Explain("", err)
			}
		}
		changed, err := f.Changed(to.ID, from.OTransID)
		if err != nil {
			return volume.Explain("", err)
		}
		c = tree.Comparison{Related: true, Into: func(inode uint64) bool { return changed[inode] }}
	}
	before, errBefore := folderAt(f, path.Join(from.Path, inside))
	after, errAfter := folderAt(f, path.Join(to.Path, inside))
	if errBefore == nil {
		defer before.Close()
	}
	if errAfter == nil {
		defer after.Close()
	}
	if err := errors.Join(errBefore, errAfter); err == nil {
		return c.Compare(ctx, before, after, func(t tree.Difference) error { return d.add(t, inside) })
	} else if !noFolder(errBefore) && errBefore != nil || !noFolder(errAfter) && errAfter != nil {
		return volume.Explain("", err)
	}
	return d.single(ctx, f, c, from, to, inside)
}

func noFolder(err error) bool {
	return errors.Is(err, kernel.ErrNotFound) || errors.Is(err, kernel.ErrInvalid) || errors.Is(err, kernel.ErrSymlink)
}

// single compares what is not a folder in both.
func (d *differ) single(ctx context.Context, f *kernel.Filesystem, c tree.Comparison, from, to subvolume.Known, inside string) error {
	a, foundA, errA := node(f, from, inside)
	b, foundB, errB := node(f, to, inside)
	if err := errors.Join(errA, errB); err != nil {
		return volume.Explain("/path", err)
	}
	name := path.Base(inside)
	total := func(k subvolume.Known, n tree.Node) (tree.Total, error) {
		if n.Kind != tree.Folder {
			return tree.Total{}, nil
		}
		dir, err := parentOf(f, path.Join(k.Path, inside))
		if err != nil {
			return tree.Total{}, err
		}
		defer dir.Close()
		return tree.Count(ctx, dir, name)
	}
	one := func(k subvolume.Known, what tree.What, n tree.Node) error {
		t := tree.Difference{Path: "", What: what}
		if what == tree.Added {
			t.After = n
		} else {
			t.Before = n
		}
		var err error
		if t.Inside, err = total(k, n); err != nil {
			return volume.Explain("", err)
		}
		return d.add(t, inside)
	}
	switch {
	case !foundA && !foundB:
		return volume.Invalid("/path", "", "neither %q nor %q has %q", from.Path, to.Path, inside)
	case !foundB:
		return one(from, tree.Removed, a)
	case !foundA:
		return one(to, tree.Added, b)
	case a.Kind == tree.Folder || b.Kind == tree.Folder:
		return errors.Join(one(from, tree.Removed, a), one(to, tree.Added, b))
	}
	dirA, errA := parentOf(f, path.Join(from.Path, inside))
	if errA == nil {
		defer dirA.Close()
	}
	dirB, errB := parentOf(f, path.Join(to.Path, inside))
	if errB == nil {
		defer dirB.Close()
	}
	if err := errors.Join(errA, errB); err != nil {
		return volume.Explain("", err)
	}
	what, err := c.Differ(ctx, dirA, name, a, dirB, name, b)
	if err != nil || what == "" {
		return err
	}
	return d.add(tree.Difference{What: what, Before: a, After: b}, inside)
}
