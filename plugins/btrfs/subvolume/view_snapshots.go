package subvolume

import (
	"errors"
	"maps"
	"slices"
	"sort"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// The managed snapshots: a View needs Look.Catalogue to tell.

// SnapshotsOf counts the managed snapshots of a source, wherever they are.
func (v *View) SnapshotsOf(source string) int {
	n := 0
	for _, k := range v.All() {
		if k.Managed() && k.Source == source {
			n++
		}
	}
	return n
}

// Stamped are the managed snapshots of a source in a folder of snapshots, the oldest first, without those that were adopted: the
// name of one is no stamp, so that its copies could not be told apart.
func (v *View) Stamped(source, folder string) []Known {
	var all []Known
	for _, s := range v.m.snapshotsOf(source, folder) {
		if !s.adopted {
			all = append(all, knownOf(s))
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name() < all[j].Name() })
	return all
}

// Sources are the paths of the sources that inputs mean, in their order; without inputs those of all that have snapshots below
// the folder, sorted. A wrong one is an error.
func (v *View) Sources(folder string, given []sdk.Subvolume) ([]string, error) {
	paths := map[string]bool{}
	if given == nil {
		for _, k := range v.All() {
			if k.Managed() && volume.ParentOf(k.Path) == folder+"/"+FolderOf(k.Source) {
				paths[k.Source] = true
			}
		}
		return slices.Sorted(maps.Keys(paths)), nil
	}
	var all []string
	var errs []error
	for i, src := range observeSources(v.f, "sources", given) {
		switch {
		case src.problem != nil:
			errs = append(errs, src.problem)
		case src.missing:
			errs = append(errs, volume.Invalid(volume.At("sources", i), "name it by its path from the filesystem's top level", "there is nothing at %q", src.given))
		case paths[src.path]:
			errs = append(errs, volume.Invalid(volume.At("sources", i), "name each source once", "%q is the same as another one of them", src.given))
		default:
			paths[src.path] = true
			all = append(all, src.path)
		}
	}
	return all, errors.Join(errs...)
}

// RemoveRecords removes the records of snapshots that nothing is left of once these are gone. The caller holds the lock on
// names and commits afterwards.
func (v *View) RemoveRecords(gone map[kernel.UUID]bool) error {
	return v.m.removeRecords(v.f, gone)
}
