package recovery

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// placeOf is where a path of an input is, from the top level. Of an absolute path what is missing at its end is taken as
// it stands.
func placeOf(f *kernel.Filesystem, input, given string) (string, error) {
	if !path.IsAbs(given) {
		clean, bad := volume.CleanPath(input, given)
		if bad != nil {
			return "", bad
		}
		return clean, nil
	}
	if strings.ContainsRune(given, 0) || slices.Contains(strings.Split(given, "/"), "..") {
		return "", volume.Invalid(input, "write the path without \"..\"", "%q has \"..\" or a NUL byte in it", given)
	}
	rest := ""
	for at := path.Clean(given); ; at = path.Dir(at) {
		dir, err := kernel.OpenLive(at, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
		missing := errors.Is(err, kernel.ErrNotFound) || errors.Is(err, unix.ENOTDIR) ||
			errors.Is(err, kernel.ErrSymlink) && rest == "" // a link itself can be looked for
		if missing && at != "/" {
			rest = path.Join(path.Base(at), rest)
			continue
		}
		if err != nil {
			return "", invalid(input, err)
		}
		place, err := f.WhereIs(dir)
		dir.Close()
		if err != nil {
			return "", invalid(input, err)
		}
		if place = path.Join(place, rest); !utf8.ValidString(place) {
			return "", sdk.InvalidInput(input, "the path %q is not valid UTF-8", place)
		}
		return place, nil
	}
}

// invalid makes an error of the machine one of an input.
func invalid(input string, err error) error {
	err = volume.Explain(input, err)
	var e *sdk.Error
	if errors.As(err, &e) && e.Reason == sdk.Failed {
		e.Reason = sdk.Invalid
		if errors.Is(err, kernel.ErrOtherFilesystem) || errors.Is(err, kernel.ErrNotBtrfs) {
			e.Advice = "name the filesystem that it is on"
		}
	}
	return err
}

// observe looks at the subvolumes, for a plan.
func observe(ctx context.Context, h volume.Host, f *kernel.Filesystem, c *sdk.Call) (*subvolume.View, error) {
	return subvolume.Observe(ctx, h, f, subvolume.Look{Catalogue: true, Guards: true, Planning: true, Prior: c.Prior, Virtual: c.Virtual})
}

// split divides a place into the subvolume that it is in and the path inside. The subvolume may be one that only the
// catalogue knows any more.
func split(v *subvolume.View, place string) (source, inside string) {
	known := map[string]bool{}
	for _, k := range v.All() {
		known[k.Path] = true
		known[k.Source] = true
	}
	for p := place; p != ""; p = volume.ParentOf(p) {
		if known[p] {
			return p, strings.TrimPrefix(place[len(p):], "/")
		}
	}
	return "", place
}

// relatives are the subvolumes that may hold earlier states of the one at a path, the newest first.
func relatives(v *subvolume.View, source string) []subvolume.Known {
	live, lives := v.At(source)
	var all []subvolume.Known
	for _, k := range v.All() {
		switch {
		case k.Path == source || k.Planned:
		case k.Source == source,
			lives && k.ParentUUID == live.UUID,
			lives && !live.ParentUUID.IsZero() && (k.ParentUUID == live.ParentUUID || k.UUID == live.ParentUUID):
			all = append(all, k)
		}
	}
	newestFirst(all)
	return all
}

func newestFirst(all []subvolume.Known) {
	slices.SortStableFunc(all, func(a, b subvolume.Known) int {
		if c := b.OTime.Compare(a.OTime); c != 0 {
			return c
		}
		return strings.Compare(a.Path, b.Path)
	})
}

// isSnapshot reports whether a subvolume was made from another one, or stands in the catalogue.
func isSnapshot(k subvolume.Known) bool {
	return k.Source != "" || !k.ParentUUID.IsZero() || !k.ReceivedUUID.IsZero()
}

// node is what a subvolume has at a path inside of it. Nothing, and a link or file in the place of a folder on the way, is
// found false.
func node(f *kernel.Filesystem, k subvolume.Known, inside string) (n tree.Node, found bool, err error) {
	dir, err := parentOf(f, path.Join(k.Path, inside))
	switch {
	case errors.Is(err, kernel.ErrNotFound), errors.Is(err, kernel.ErrSymlink), errors.Is(err, kernel.ErrInvalid):
		return tree.Node{}, false, nil
	case err != nil:
		return tree.Node{}, false, err
	}
	defer dir.Close()
	return tree.Stat(dir, path.Base(path.Join(k.Path, inside)))
}

// parentOf opens the folder that a place is in.
func parentOf(f *kernel.Filesystem, place string) (*os.File, error) {
	return folderAt(f, volume.ParentOf(place))
}

// folderAt opens a folder.
func folderAt(f *kernel.Filesystem, place string) (*os.File, error) {
	top, err := f.OpenDir("")
	if err != nil {
		return nil, err
	}
	defer top.Close()
	return top.OpenFile(place, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// originOf is the path of the subvolume that one is a snapshot of.
func originOf(v *subvolume.View, k subvolume.Known) (string, bool) {
	if k.Source != "" {
		return k.Source, true
	}
	if k.ParentUUID.IsZero() {
		return "", false
	}
	found := ""
	for _, o := range v.All() {
		switch {
		case o.Path == k.Path || o.Planned:
		case o.UUID == k.ParentUUID && !o.ReadOnly:
			return o.Path, true
		case o.ParentUUID == k.ParentUUID && !o.ReadOnly && v.Mounted(o) != "":
			if found != "" {
				return "", false
			}
			found = o.Path
		}
	}
	return found, found != ""
}
