package upkeep

import (
	"context"
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// defragmentPrivate is what Apply does: the paths, clean.
type defragmentPrivate struct {
	Filesystem string
	Paths      []string
}

// place is what is at a path.
type place struct {
	path   string
	kind   kernel.EntryType
	sealed string // the read-only subvolume that it lies in, quoted; "" if none
}

func defragmentAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "defragment",
		Summary: "Write files in larger pieces, or compress them",
		Description: "Goes through files and lets the kernel write those that lie in many small extents into larger ones. That is of use for files that are written in " +
			"many places and read as a whole, and to compress what is there already. It writes a copy: data that was shared with a snapshot is " +
			"there twice afterwards, which is why such files are left alone unless shared: copy says otherwise.\n\n" +
			"Symbolic links are not followed and subvolumes inside not entered. What can't be defragmented, such as an active swap file, is counted as busy. " +
			"When it is stopped, each file is as it was or in larger pieces; its content does not change. " +
			"A scrub, a balance and a defragmentation of one filesystem exclude each other.",
		Touches: []string{defragmentType},
	}, sdk.Writer[DefragmentInput, DefragmentOutput, defragmentPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in DefragmentInput) ([]sdk.Lock, error) {
			return volume.ExclusiveLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in DefragmentInput) (sdk.Planned[DefragmentOutput, defragmentPrivate], error) {
			var p sdk.Planned[DefragmentOutput, defragmentPrivate]
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return p, err
			}
			defer f.Close()
			n, err := nameOf(f)
			if err != nil {
				return p, err
			}
			places, err := observePlaces(f, in)
			if err != nil {
				return p, err
			}
			readOnly, err := f.ReadOnly()
			if err != nil {
				return p, volume.Explain("", err)
			}
			return planDefragment(n, places, readOnly, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in DefragmentInput, private defragmentPrivate) (DefragmentOutput, error) {
			return applyDefragment(ctx, h, c, in, private)
		},
	})
}

// observePlaces finds out what the inputs name.
func observePlaces(f *kernel.Filesystem, in DefragmentInput) ([]place, error) {
	all, err := f.List()
	if err != nil {
		return nil, volume.Explain("", err)
	}
	places := make([]place, len(in.Paths))
	for i, given := range in.Paths {
		input := volume.At("paths", i)
		clean, bad := volume.CleanPath(input, given)
		if bad != nil {
			return nil, bad
		}
		kind, found, err := f.Stat(clean)
		switch {
		case err != nil:
			return nil, volume.Explain(input, err)
		case !found:
			return nil, sdk.InvalidInput(input, "%q does not exist", clean)
		}
		places[i] = place{path: clean, kind: kind}
		around := ""
		for _, s := range all {
			if s.Path == clean || volume.Inside(s.Path, clean) && len(s.Path) > len(around) {
				around = s.Path
				places[i].sealed = ""
				if s.ReadOnly {
					places[i].sealed = fmt.Sprintf("%q", s.Path)
				}
			}
		}
	}
	return places, nil
}

func planDefragment(n named, places []place, readOnly bool, in DefragmentInput) (sdk.Planned[DefragmentOutput, defragmentPrivate], error) {
	var p sdk.Planned[DefragmentOutput, defragmentPrivate]
	if readOnly {
		return p, n.readOnlyError("nothing on it can be defragmented", "")
	}
	what := "write what lies in small pieces into larger ones"
	if in.Compression != "keep" {
		what = "compress with " + in.Compression
	}
	if in.Shared == "skip" {
		what += ", leave shared files alone"
	}
	for i, at := range places {
		input := volume.At("paths", i)
		switch {
		case at.kind != kernel.EntryFile && at.kind != kernel.EntryDir && at.kind != kernel.EntrySubvolume:
			return p, sdk.InvalidInput(input, "%q is a %v", at.path, at.kind)
		case at.sealed != "":
			return p, sdk.InvalidInput(input, "%q lies in the subvolume %s, which is read-only", at.path, at.sealed)
		}
		p.Private.Paths = append(p.Private.Paths, at.path)
		name := at.path
		if name == "" {
			name = "."
		}
		p.Changes = append(p.Changes, sdk.Change{Kind: sdk.Run, Resource: sdk.Resource{Type: defragmentType, Scope: n.id, Name: name}, Summary: what})
	}
	p.Private.Filesystem = n.id
	p.Facts = map[string]string{"filesystem": n.id, "paths": strings.Join(p.Private.Paths, "\x00")}
	p.Unknown = []string{"/files", "/defragmented", "/bytes", "/shared", "/busy", "/nested", "/extents_before", "/extents_after"}
	return p, nil
}
