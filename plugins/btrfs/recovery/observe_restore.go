package recovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// restoring is what the plan of a restore looks at.
type restoring struct {
	view     *subvolume.View
	snapshot subvolume.Known
	inside   string
	thing    tree.Node  // what is to be restored
	total    tree.Total // of it
	where    place
	there    map[string]existing // what is at the names that it could get
	free     int64               // bytes, of another filesystem
	left     []leftover
}

// place is where something is to be restored.
type place struct {
	Folder string // from the top level, or absolute on another filesystem
	Other  bool   // on another filesystem
	Name   string
}

func (p place) path(name string) string { return path.Join(p.Folder, name) }

// existing is what is at a name in the place.
type existing struct {
	node  tree.Node
	found bool
	same  bool // just what is to be restored
}

func observeRestore(ctx context.Context, h volume.Host, c *sdk.Call, f *kernel.Filesystem, in RestoreInput) (*restoring, error) {
	o := &restoring{there: map[string]existing{}}
	var err error
	if o.view, err = observe(ctx, h, f, c); err != nil {
		return nil, err
	}
	if o.snapshot, err = o.view.Needed("/snapshot", in.Snapshot); err != nil {
		return nil, err
	}
	var bad *sdk.Error
	if o.inside, bad = volume.CleanPath("/path", in.Path); bad != nil {
		return nil, bad
	}
	if o.inside == "" {
		return nil, volume.Invalid("/path", "btrfs.replace puts a whole snapshot in the place of a subvolume", "%q is all of the snapshot", in.Path)
	}
	from, err := o.openThing(f)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	name := path.Base(o.inside)
	if o.total, err = tree.Count(ctx, from, name); err != nil {
		return nil, volume.Explain("/path", err)
	}
	if err := o.observePlace(f, in); err != nil {
		return nil, err
	}
	to, err := openPlace(f, o.where)
	if err != nil {
		return nil, invalid("/to", err)
	}
	defer to.Close()
	if o.where.Other {
		var st unix.Statfs_t
		if err := unix.Fstatfs(int(to.Fd()), &st); err != nil {
			return nil, volume.Explain("/to", err)
		}
		runtime.KeepAlive(to)
		o.free = int64(st.Bavail) * int64(st.Bsize)
	}
	if o.view.MayTouch() == nil {
		if o.left, err = readLeftovers(f); err != nil {
			return nil, err
		}
		o.left = slices.DeleteFunc(o.left, func(l leftover) bool { // an earlier step of the preview removes it
			return slices.ContainsFunc(c.Prior, func(p sdk.Change) bool {
				return p.Kind == sdk.Run && p.Resource.Type == FileType && p.Resource.Name == path.Join(l.Folder, l.Temp)
			})
		})
	}
	return o, o.observeNames(ctx, from, to, in, c.Prior)
}

// openThing opens the folder of the snapshot that the thing is in, and looks at it. A snapshot that an earlier step of the
// preview would take has in it what its source has now.
func (o *restoring) openThing(f *kernel.Filesystem) (*os.File, error) {
	content := o.snapshot
	if content.Planned {
		var there bool
		if content, there = o.view.WithUUID(o.snapshot.ParentUUID); !there {
			return nil, sdk.InvalidInput("/snapshot", "%q is not there yet, and nobody knows what will be in it", o.snapshot.Path)
		}
	}
	missing := volume.Invalid("/path", "\"coppice snapshots list --of PATH\" shows which snapshots have a path", "%q has no %q", o.snapshot.Path, o.inside)
	from, err := parentOf(f, path.Join(content.Path, o.inside))
	switch {
	case errors.Is(err, kernel.ErrNotFound):
		return nil, missing
	case err != nil:
		return nil, invalid("/path", err)
	}
	var found bool
	if o.thing, found, err = tree.Stat(from, path.Base(o.inside)); err == nil && !found {
		err = missing
	}
	if err != nil {
		from.Close()
		return nil, volume.Explain("/path", err)
	}
	return from, nil
}

// observePlace finds out where to restore.
func (o *restoring) observePlace(f *kernel.Filesystem, in RestoreInput) error {
	to := in.To
	if to == "" {
		origin, known := originOf(o.view, o.snapshot)
		if !known {
			return volume.Invalid("/to", "say where to restore it", "nobody knows what %q is a snapshot of", o.snapshot.Path)
		}
		to = path.Join(origin, o.inside)
	}
	if !path.IsAbs(to) {
		clean, bad := volume.CleanPath("/to", to)
		if bad != nil {
			return bad
		}
		o.where = place{Folder: volume.ParentOf(clean), Name: path.Base(clean)}
		if clean == "" {
			return sdk.InvalidInput("/to", "%q is the filesystem's top level", in.To)
		}
		return nil
	}
	to = path.Clean(to)
	if to == "/" {
		return sdk.InvalidInput("/to", "name the file or folder that it is to be, not only where")
	}
	dir, err := kernel.OpenLive(path.Dir(to), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return o.noFolder(err, path.Dir(to))
	}
	defer dir.Close()
	o.where = place{Folder: path.Dir(to), Other: true, Name: path.Base(to)}
	folder, err := f.WhereIs(dir)
	switch {
	case err == nil:
		o.where.Folder, o.where.Other = folder, false
	case errors.Is(err, kernel.ErrOtherFilesystem), errors.Is(err, kernel.ErrNotBtrfs):
	default:
		return invalid("/to", err)
	}
	return nil
}

// noFolder is the error of a folder to restore into that can't be opened.
func (o *restoring) noFolder(err error, folder string) error {
	if errors.Is(err, kernel.ErrNotFound) {
		return volume.Invalid("/to", "make it, restore the folder as a whole, or say another place", "the folder %q does not exist", folder)
	}
	return invalid("/to", err)
}

// openPlace opens the folder in which something is restored.
func openPlace(f *kernel.Filesystem, p place) (*os.File, error) {
	if p.Other {
		return kernel.OpenLive(p.Folder, unix.O_RDONLY|unix.O_DIRECTORY)
	}
	return folderAt(f, p.Folder)
}

// observeNames looks at the names that the copy could get.
func (o *restoring) observeNames(ctx context.Context, from, to *os.File, in RestoreInput, prior []sdk.Change) error {
	for name := range candidates(o.where.Name, in) {
		var e existing
		var err error
		if e.node, e.found, err = tree.Stat(to, name); err != nil {
			return volume.Explain("/to", err)
		}
		planned := false
		for _, c := range prior { // what an earlier step of the preview would restore
			if r := o.resource(name); c.Resource.Type == r.Type && c.Resource.Scope == r.Scope && c.Resource.Name == r.Name {
				planned, e.found, e.node.Kind = true, true, tree.File
				// The very same thing out of the same snapshot.
				e.same = strings.HasPrefix(c.Summary, o.says()) && bytes.Equal(c.After, encode(o.after()))
			}
		}
		if e.found && !planned && e.node.Kind == o.thing.Kind {
			if e.same, err = tree.Same(ctx, from, path.Base(o.inside), to, name); err != nil {
				return volume.Explain("/to", err)
			}
		}
		o.there[name] = e
		if !e.found || e.same {
			return nil
		}
	}
	return nil
}

// candidates are the names that the copy could get, the first that is free or the same counts.
func candidates(name string, in RestoreInput) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if !yield(name) || in.Existing != "beside" || !yield(name+in.Suffix) {
			return
		}
		for n := 2; n < 100; n++ {
			if !yield(fmt.Sprintf("%s%s-%d", name, in.Suffix, n)) {
				return
			}
		}
	}
}

// resource is what a change of a name in the place is about.
func (o *restoring) resource(name string) sdk.Resource {
	r := sdk.Resource{Type: FileType, Name: o.where.path(name)}
	if !o.where.Other {
		r.Scope = o.view.UUID()
	}
	return r
}
