package layout

import (
	"context"
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyLayout(ctx context.Context, h volume.Host, c *sdk.Call, in Input, private layoutPrivate) (Output, error) {
	out := Output{Created: []string{}, Changed: []string{}, Unchanged: private.Output.Unchanged}
	if len(private.Items) == 0 {
		return out, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	var errs []error
	var done []int
	dirty := false
	for i, item := range private.Items {
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		changed, err := item.apply(f)
		dirty = dirty || changed
		switch {
		case err != nil: // the others don't depend on it, or fail too
			errs = append(errs, err)
			continue
		case !changed:
			out.Unchanged = append(out.Unchanged, item.Path)
			continue
		case item.Create:
			out.Created = append(out.Created, item.Path)
		default:
			out.Changed = append(out.Changed, item.Path)
		}
		done = append(done, i)
	}
	if dirty { // one commit makes all of it durable
		if err := f.Sync(); err != nil {
			errs = append(errs, volume.Refuse("", "the layout was changed, but may be lost in a power cut: %v", err))
		}
	}
	for _, i := range done {
		c.Done(i)
	}
	return out, errors.Join(errs...)
}

// apply makes or changes one subvolume. One that was to be made and is there, as after a run that was interrupted, is changed.
func (item layoutItem) apply(f *kernel.Filesystem) (changed bool, err error) {
	s, there, err := f.AtPath(item.Path)
	switch {
	case err != nil:
		return false, volume.Explain("", err)
	case !there && !item.Create:
		return false, volume.Drifted("the subvolume %q does not exist any more", item.Path)
	case there && !item.Create && s.UUID != item.UUID:
		return false, volume.Drifted("%q is another subvolume now, with UUID %v", item.Path, s.UUID)
	case !there:
		if s, err = f.CreateSubvolume(item.Path); err != nil {
			return false, volume.Explain("", err)
		}
		changed = true
	}
	steps := []func() (bool, error){
		func() (bool, error) { return item.own(f, changed) },
		func() (bool, error) { return item.store(f) },
		func() (bool, error) {
			if item.Limits == nil {
				return false, nil
			}
			return setLimits(f, s, *item.Limits)
		},
	}
	for _, step := range steps {
		did, err := step()
		changed = changed || did
		if err != nil {
			return changed, volume.Explain("", err)
		}
	}
	return changed, nil
}

// own sets mode and owner of one that was just made.
func (item layoutItem) own(f *kernel.Filesystem, made bool) (bool, error) {
	if !made || item.Mode == nil && item.UID == nil && item.GID == nil {
		return false, nil
	}
	node, err := f.OpenNode(item.Path)
	if err != nil {
		return false, err
	}
	defer node.Close()
	if item.UID != nil || item.GID != nil {
		if err := node.SetOwner(orAsItIs(item.UID), orAsItIs(item.GID)); err != nil {
			return false, err
		}
	}
	if item.Mode != nil { // after the owner, whose change takes set-id bits away
		return true, node.SetMode(*item.Mode)
	}
	return true, nil
}

func orAsItIs(id *int) int {
	if id == nil {
		return -1
	}
	return *id
}

// store sets compression and copy on write.
func (item layoutItem) store(f *kernel.Filesystem) (bool, error) {
	if !item.Store {
		return false, nil
	}
	node, err := f.OpenNode(item.Path)
	if err != nil {
		return false, err
	}
	defer node.Close()
	return setStorage(node, storage{compression: item.Compression, noCow: item.NoCow})
}
