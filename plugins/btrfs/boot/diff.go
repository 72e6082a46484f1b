package boot

import (
	"context"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func diffAction(m machine) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "boot_diff",
		Summary: "Tell what the next boot would put away",
		Description: "Compares the root with the clean one that the next boot would make: all files in it that are not in the blank, or are other ones there. Names those that make a " +
			"machine the one it is, as its host keys, and the subvolumes that lie in the root: all of that goes into the archive, and is gone when the archive has had its day. It takes as long as " +
			"it takes to read every folder of the root.",
		Touches: []string{volume.ResourceType},
	}, func(ctx context.Context, c *sdk.Call, in LossInput) (sdk.Planned[LossOutput, sdk.None], error) {
		out, err := m.losses(ctx, in)
		return sdk.Planned[LossOutput, sdk.None]{Outputs: out, Summary: volume.Count(out.Count, "path") + " would go"}, err
	})
}

func (m machine) losses(ctx context.Context, in LossInput) (LossOutput, error) {
	out := LossOutput{Identity: []string{}, Nested: []string{}, Complete: true, Losses: []Loss{}}
	source, places, err := in.clean()
	if err != nil {
		return out, err
	}
	in.Source, out.Root = source, source.Root
	now, err := m.circumstances()
	if err != nil {
		return out, err
	}
	f, err := volume.Open(ctx, volume.Target{Filesystem: in.Filesystem})
	if err != nil {
		return out, err
	}
	defer f.Close()
	s, err := m.observe(f, now, RollbackInput{Source: source, Acknowledge: in.Acknowledge}, places)
	if err == nil {
		err = s.Problem
	}
	if err != nil {
		return out, volume.Explain("", err)
	}
	if !s.root().Now.subvolume() {
		return out, volume.Invalid("/root", "name the subvolume that is mounted as the root", "there is no subvolume %q", in.Root)
	}
	if in.Blank != "" && !s.Blank.subvolume() {
		return out, volume.Invalid("/blank", "make one: \"coppice boot rebase\"", "there is no subvolume %q", in.Blank)
	}
	out.Identity = append(out.Identity, s.Loses...)
	nested, err := nestedIn(f, in.Root)
	if err != nil {
		return out, volume.Explain("", err)
	}
	for _, n := range nested {
		if inside := strings.TrimPrefix(n.Path, in.Root+"/"); !known(inside, in.Nested) {
			out.Nested = append(out.Nested, inside)
		}
	}
	return out, volume.Explain("", out.compare(ctx, f, in))
}

func (o *LossOutput) add(l Loss, limit int) {
	o.Count++
	if limit > 0 && len(o.Losses) >= limit {
		o.Complete = false
		return
	}
	o.Losses = append(o.Losses, l)
}

// compare compares the root with the blank, or lists what is in it.
func (o *LossOutput) compare(ctx context.Context, f *kernel.Filesystem, in LossInput) error {
	top, err := f.OpenDir("")
	if err != nil {
		return err
	}
	defer top.Close()
	root, err := top.OpenFile(in.Root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer root.Close()
	if in.Blank == "" {
		return o.list(ctx, root, in.Limit)
	}
	blank, err := top.OpenFile(in.Blank, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer blank.Close()
	return tree.Comparison{}.Compare(ctx, blank, root, func(d tree.Difference) error {
		n := d.After
		if d.What == tree.Removed {
			n = d.Before
		}
		l := Loss{Path: d.Path, What: string(d.What), Kind: string(n.Kind), Size: sdk.Size(n.Size)}
		if d.What == tree.Added && n.Kind == tree.Folder {
			l.Size, l.Contains = sdk.Size(d.Inside.Bytes), contained(d.Inside)
		}
		o.add(l, in.Limit)
		return nil
	})
}

// list is compare where a clean root is empty.
func (o *LossOutput) list(ctx context.Context, root *os.File, limit int) error {
	names, err := root.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		n, found, err := tree.Stat(root, name)
		if err != nil || !found {
			if err != nil {
				return err
			}
			continue
		}
		l := Loss{Path: name, What: string(tree.Added), Kind: string(n.Kind), Size: sdk.Size(n.Size)}
		if n.Kind == tree.Folder {
			total, err := tree.Count(ctx, root, name)
			if err != nil {
				return err
			}
			l.Size, l.Contains = sdk.Size(total.Bytes), contained(total)
		}
		o.add(l, limit)
	}
	return nil
}

// contained is how many things are in a folder, itself not.
func contained(t tree.Total) int {
	return max(0, t.Files+t.Folders+t.Links+t.Devices+t.Sockets+t.Nested-1)
}
