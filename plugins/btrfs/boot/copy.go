package boot

import (
	"errors"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// copyTree makes a writable copy of a subvolume, with copies of those that lie in it in their places. What it is cut off at stays,
// for whoever has an intent about it.
func copyTree(f *kernel.Filesystem, from kernel.UUID, at, to string) (kernel.Subvolume, error) {
	made, err := f.Snapshot(kernel.SnapshotSpec{SourceUUID: from, DestDir: volume.ParentOf(to), Name: path.Base(to)})
	if err != nil {
		return made, err
	}
	nested, err := nestedIn(f, at)
	if err != nil {
		return made, err
	}
	var sealed []kernel.Subvolume
	for _, n := range nested {
		place := to + strings.TrimPrefix(n.Path, at)
		if err := f.Remove(place); err != nil && !errors.Is(err, kernel.ErrNotFound) { // the empty folder that a snapshot has there
			return made, err
		}
		inner, err := f.Snapshot(kernel.SnapshotSpec{SourceUUID: n.UUID, DestDir: volume.ParentOf(place), Name: path.Base(place)})
		if err != nil {
			return made, err
		}
		if n.ReadOnly {
			sealed = append(sealed, inner)
		}
	}
	for _, s := range slices.Backward(sealed) { // the inner ones first
		if err := f.SetReadOnly(s.Path, s.UUID, true); err != nil {
			return made, err
		}
	}
	again, found, err := f.AtPath(to) // its generation has changed
	if err == nil && found {
		made = again
	}
	return made, err
}

// nestedIn are the subvolumes that lie in one, the outer ones first.
func nestedIn(f *kernel.Filesystem, at string) ([]kernel.Subvolume, error) {
	all, err := f.List()
	if err != nil {
		return nil, err
	}
	var nested []kernel.Subvolume
	for _, s := range all {
		if volume.Inside(at, s.Path) {
			nested = append(nested, s)
		}
	}
	sort.Slice(nested, func(i, j int) bool { return nested[i].Path < nested[j].Path })
	return nested, nil
}
